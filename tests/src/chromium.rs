//! Debian's Chromium and its driver: found, or installed where this is root on a Debian.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{config, files::target_dir, lock};

/// The browser; `None`, with the reason on stderr, where there is none and none can be installed.
pub fn chromium() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| found_or_installed("chromium", "chromium")).as_deref()
}

/// The browser's WebDriver; `None`, with the reason on stderr, where there is none and none can be installed.
pub fn chromedriver() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| found_or_installed("chromedriver", "chromium-driver")).as_deref()
}

/// A program on the `PATH`, else from this Debian package.
pub fn found_or_installed(program: &str, package: &str) -> Option<PathBuf> {
    let find = || config::search_path().iter().map(|folder| folder.join(program)).find(|file| file.is_file());
    if let Some(file) = find() {
        return Some(file);
    }
    let marker = target_dir().join(format!("tests-apt/{package}.txt"));
    if let Err(error) = lock::once(&marker, "installed", || install(package)) {
        eprintln!("skipped: {program} is missing: {error}");
    }
    find()
}

fn install(package: &str) -> Result<(), String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root || !Path::new("/etc/debian_version").exists() {
        return Err(format!("install the package {package}; only root on a Debian can do it from here"));
    }
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", package])
}

fn apt(args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("apt-get cannot be run: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
