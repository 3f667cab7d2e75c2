//! A running `crosslens up` on a port and a data folder of its own.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    binary::{command, model_cache, wrapped},
    process::{Memory, memory, signal, wait_until},
};

/// How long a start may take before it counts as hung: a model may have to be fetched.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How a server is to be started; see [`Server::build`].
#[derive(Debug, Default)]
pub struct Builder {
    args: Vec<OsString>,
    env: Vec<(String, Option<OsString>)>,
    data: Option<PathBuf>,
    inside: Vec<String>,
    no_model: bool,
}

impl Builder {
    /// Adds an argument to `crosslens up`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments to `crosslens up`.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Takes a variable away.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.env.push((name.to_owned(), None));
        self
    }

    /// Uses this data folder and leaves it behind; otherwise the server has one that goes with it.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Runs it by another program, which must end in replacing itself (`exec "$@"`), so that the process id is the server's.
    #[must_use]
    pub fn inside(mut self, program: &[&str]) -> Self {
        self.inside = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Does not fetch the embedded model first, for servers that use another detector.
    #[must_use]
    pub fn without_model(mut self) -> Self {
        self.no_model = true;
        self
    }

    /// Starts it and waits for its `ready` line; panics with its stderr when that does not come.
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts it and waits for its `ready` line; otherwise says how it ended and what it wrote.
    pub fn try_start(self) -> Result<Server, String> {
        if !self.no_model {
            model_cache();
        }
        let own = TempDir::new().map_err(|error| error.to_string())?;
        let data = self.data.clone().unwrap_or_else(|| own.path().join("data"));
        let log = own.path().join("stderr.log");
        let running = launch(&self, &data, &log)?;
        Ok(Server { builder: self, running, data, log, _own: own })
    }
}

/// A running server. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Server {
    builder: Builder,
    running: Running,
    data: PathBuf,
    log: PathBuf,
    _own: TempDir,
}

#[derive(Debug)]
struct Running {
    child: Child,
    url: String,
    stdout: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `crosslens up --listen 127.0.0.1:0 --data TEMPORARY` and these arguments.
    pub fn start<I: IntoIterator<Item = S>, S: Into<OsString>>(args: I) -> Self {
        Self::build().args(args).start()
    }

    /// A start with more to say.
    pub fn build() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// The URL of a path that begins with `/`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.running.url)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.running.url.trim_start_matches("http://")
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// What it has written on stdout since the last start.
    pub fn stdout(&self) -> String {
        self.running.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has written on stderr, over all starts.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its resident memory.
    pub fn memory(&self) -> Memory {
        memory(self.pid()).unwrap_or_else(|| panic!("the server is gone\n{}", self.stderr()))
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        // An error means that it has ended already, which is what is wanted.
        self.running.child.kill().unwrap_or_default();
        self.running.child.wait().expect("a started program can be waited for");
    }

    /// Asks it to stop and waits until it has.
    pub fn sigterm(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.running.child;
        wait_until("the server to end", || child.try_wait().expect("a started program can be waited for"))
    }

    /// Starts it again on the same data folder, on a new port; kills it first where it still runs.
    pub fn restart(&mut self) {
        self.kill9();
        self.running = launch(&self.builder, &self.data, &self.log).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- the server's stderr\n{}", self.stderr());
        }
    }
}

fn launch(builder: &Builder, data: &Path, log: &Path) -> Result<Running, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut inner = command();
    inner.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(&builder.args);
    for (name, value) in &builder.env {
        match value {
            Some(value) => inner.env(name, value),
            None => inner.env_remove(name),
        };
    }
    let program: Vec<&str> = builder.inside.iter().map(String::as_str).collect();
    let mut command: Command = if program.is_empty() { inner } else { wrapped(&program, &inner) };
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
    match ready.recv_timeout(START_LIMIT) {
        Ok(url) => Ok(Running { child, url, stdout }),
        Err(_) => {
            child.kill().unwrap_or_default();
            let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let (out, err) = (stdout.lock().unwrap_or_else(PoisonError::into_inner).clone(), fs::read(log));
            let err = String::from_utf8_lossy(&err.unwrap_or_default()).into_owned();
            Err(format!("no `ready` line; ended with {ended}\n--- stdout\n{out}--- stderr\n{err}"))
        }
    }
}
