//! Starting a program that says `ready http://…`, and stopping it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use crate::process::{signal, wait_until};

/// How long a start may take before it counts as hung: a model may have to be fetched.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A started program. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    url: String,
    stdout: Arc<Mutex<String>>,
    log: PathBuf,
}

impl Running {
    /// Starts it, with its stderr appended to `log`, and waits for its `ready` line; otherwise says how it ended and what it
    /// wrote.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let text = |error: std::io::Error| format!("{}: {error}", log.display());
        let stderr = File::options().create(true).append(true).open(log).map_err(text)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().map_err(text)?;
        let stdout = Arc::new(Mutex::new(String::new()));
        let (found, ready) = mpsc::channel();
        let (pipe, lines) = (child.stdout.take().expect("stdout was piped"), Arc::clone(&stdout));
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("ready http://") {
                    let address = url.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
                    found.send(format!("http://{address}")).unwrap_or_default();
                }
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        let ready = ready.recv_timeout(START_LIMIT);
        let mut running = Self { child, url: String::new(), stdout, log: log.to_owned() };
        match ready {
            Ok(url) => {
                running.url = url;
                Ok(running)
            }
            Err(_) => {
                let ended = running.kill();
                let (out, err) = (running.stdout(), running.stderr());
                Err(format!("no `ready` line; ended with {ended}\n--- stdout\n{out}--- stderr\n{err}"))
            }
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        // An error means that it has ended already, which is what is wanted.
        self.child.kill().unwrap_or_default();
        self.child.wait().expect("a started program can be waited for")
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn sigterm(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_until("the server to end", || child.try_wait().expect("a started program can be waited for"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
