//! A running `crosslens up` on a port and a data folder of its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use tempfile::TempDir;

use crate::{
    binary::{command, crosslens, model_cache, wrapped},
    launch::Running,
    process::{Memory, memory},
};

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
        self.running.url()
    }

    /// The URL of a path that begins with `/`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.running.url().trim_start_matches("http://")
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it has written on stdout since the last start.
    pub fn stdout(&self) -> String {
        self.running.stdout()
    }

    /// What it has written on stderr, over all starts.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// Its resident memory.
    pub fn memory(&self) -> Memory {
        memory(self.pid()).unwrap_or_else(|| panic!("the server is gone\n{}", self.stderr()))
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        self.running.kill();
    }

    /// Asks it to stop and waits until it has.
    pub fn sigterm(&mut self) -> ExitStatus {
        self.running.sigterm()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.running.wait()
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
    let mut inner = command(crosslens());
    inner.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(&builder.args);
    for (name, value) in &builder.env {
        match value {
            Some(value) => inner.env(name, value),
            None => inner.env_remove(name),
        };
    }
    let program: Vec<&str> = builder.inside.iter().map(String::as_str).collect();
    Running::start(if program.is_empty() { inner } else { wrapped(&program, &inner) }, log)
}
