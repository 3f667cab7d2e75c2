//! A running `detector-gcp` on a port of its own.

use std::{
    ffi::OsStr,
    process::{Command, ExitStatus},
};

use tempfile::TempDir;

use crate::{
    binary::{command, detector_gcp, model_cache},
    launch::Running,
};

/// How a detector is to be started; see [`Detector::build`].
#[derive(Debug)]
pub struct Start(Command);

impl Start {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.0.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Starts it and waits for its `ready` line; panics with its stderr when that does not come.
    pub fn start(self) -> Detector {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts it and waits for its `ready` line; otherwise says how it ended and what it wrote.
    pub fn try_start(self) -> Result<Detector, String> {
        let own = TempDir::new().map_err(|error| error.to_string())?;
        let running = Running::start(self.0, &own.path().join("stderr.log"))?;
        Ok(Detector { running, _own: own })
    }
}

/// A running `detector-gcp`. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Detector {
    running: Running,
    _own: TempDir,
}

impl Detector {
    /// A start of `detector-gcp --listen 127.0.0.1:0` with more to say: who answers, and who may call.
    pub fn build() -> Start {
        let mut command = command(detector_gcp());
        command.args(["--listen", "127.0.0.1:0"]);
        Start(command)
    }

    /// A start with the embedded model behind it, for everybody.
    pub fn local() -> Start {
        model_cache();
        Self::build().args(["--detector", "local", "--allow-unauthenticated"])
    }

    /// A start with Vision behind it, which is to be found at this URL and asks for no credentials, for everybody.
    pub fn vision(endpoint: &str) -> Start {
        Self::build()
            .args(["--detector", "vision", "--vision-endpoint", endpoint, "--vision-credentials", "none"])
            .arg("--allow-unauthenticated")
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

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it has written on stdout.
    pub fn stdout(&self) -> String {
        self.running.stdout()
    }

    /// What it has written on stderr.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// Asks it to stop and waits until it has.
    pub fn sigterm(&mut self) -> ExitStatus {
        self.running.sigterm()
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the detector's stderr\n{}", self.stderr());
        }
    }
}
