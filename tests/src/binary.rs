//! The built binaries, and running `crosslens` to its end.

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use crate::{
    config,
    files::{built_in, workspace_root},
    process::signal,
};

/// How long a call may take before it counts as hung: a model may have to be fetched.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// The built `crosslens`. `CROSSLENS_TEST_BINARY` names another one to test.
pub fn crosslens() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| config::binary().unwrap_or_else(|| built("crosslens")))
}

/// The built `detector-gcp`. `CROSSLENS_TEST_DETECTOR` names another one to test.
pub fn detector_gcp() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| config::detector().unwrap_or_else(|| built("detector-gcp")))
}

/// The built `proxy-aws`, for this machine and not for Lambda's. `CROSSLENS_TEST_PROXY` names another one to test.
pub fn proxy_aws() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| config::proxy().unwrap_or_else(|| built("proxy-aws")))
}

/// A binary in the profile of the running test. All are built on the first use of one, so that `cargo test --release
/// --workspace` alone is enough; for the whole workspace, so that they share every dependency with that command.
fn built(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(build).as_ref().unwrap_or_else(|error| panic!("{error}"));
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn build() -> Result<PathBuf, String> {
    let (target, folder) = built_in();
    // With what a default build of `crosslens` leaves out, so that it is tested as well.
    let status = cargo("build")
        .args(["--workspace", "--features", "cli/gcp,cli/aws"])
        .args(["crosslens", "detector-gcp", "proxy-aws"].iter().flat_map(|name| ["--bin", *name]))
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !status.success() {
        return Err("the binaries do not build; cargo's words are above".to_owned());
    }
    Ok(target.join(folder))
}

/// `cargo COMMAND` on this workspace, in the profile and the target folder of the running test.
pub fn cargo(command: &str) -> Command {
    let (target, folder) = built_in();
    let profile = if folder == "debug" { "dev" } else { folder };
    let mut cargo = Command::new(config::cargo());
    // Build scripts look at these; left in place, they would make cargo build half of the dependencies a second time.
    for name in config::set_by_cargo() {
        cargo.env_remove(name);
    }
    cargo.args([command, "--profile", profile, "--target-dir"]).arg(target).current_dir(workspace_root());
    cargo
}

/// A command for a binary without the settings of whoever runs the tests.
pub(crate) fn command(binary: &Path) -> Command {
    without_settings(Command::new(binary))
}

/// Takes the settings of whoever runs the tests away from a command.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for name in config::foreign_settings() {
        command.env_remove(name);
    }
    command
}

/// Makes sure that the embedded model is in the user's cache, once, so that all tests share one download.
pub fn model_cache() {
    static PULLED: OnceLock<Result<(), String>> = OnceLock::new();
    let pulled = PULLED.get_or_init(|| {
        let ended = Cli::new(["model", "pull"]).run();
        if ended.code == 0 { Ok(()) } else { Err(format!("`crosslens model pull` failed\n{}", ended.stderr)) }
    });
    pulled.as_ref().unwrap_or_else(|error| panic!("{error}"));
}

/// Where [`model_cache`] keeps the embedded model.
pub fn cache_dir() -> PathBuf {
    config::cache_dir()
}

/// Runs `crosslens` with these arguments to its end.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Ended {
    Cli::new(args).run()
}

/// One call of `crosslens` that ends by itself.
///
/// `Cli::new(["label", "-"]).stdin(bytes).env("NO_COLOR", "1").run()`
#[derive(Debug)]
pub struct Cli {
    command: Command,
    stdin: Vec<u8>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote on stdout.
    pub stdout: String,
    /// What it wrote on stderr.
    pub stderr: String,
}

impl Cli {
    /// A call with these arguments.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Self {
        let mut command = command(crosslens());
        command.args(args);
        Self { command, stdin: Vec::new() }
    }

    /// The same arguments, run by another program: `["unshare", "-m", "sh", "-c", "mount … && exec \"$@\"", "sh"]`.
    #[must_use]
    pub fn inside(mut self, program: &[&str]) -> Self {
        self.command = wrapped(program, &self.command);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable away.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives it something to read; without this its stdin is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs it to its end; one that does not end is killed.
    pub fn run(mut self) -> Ended {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let mut pipe = child.stdin.take().expect("stdin was piped");
        // A program that does not read its stdin to the end is no fault of the test.
        let writer = std::thread::spawn(move || pipe.write_all(&self.stdin).unwrap_or_default());
        let (pid, (ended, running)) = (child.id(), channel::<()>());
        let watchdog = std::thread::spawn(move || {
            if running.recv_timeout(CALL_LIMIT) == Err(RecvTimeoutError::Timeout) {
                signal(pid, "KILL");
            }
        });
        let output = child.wait_with_output().expect("a started program can be waited for");
        drop(ended);
        watchdog.join().expect("a call that hangs can be killed");
        writer.join().expect("writing to a pipe does not panic");
        Ended::from(output)
    }
}

/// `command` as the arguments of another program, with what is set and unset in its environment.
pub(crate) fn wrapped(program: &[&str], command: &Command) -> Command {
    let (first, rest) = program.split_first().expect("a program to run inside");
    let mut outer = Command::new(first);
    outer.args(rest).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
