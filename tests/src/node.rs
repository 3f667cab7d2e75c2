//! A Node.js with packages at exact versions, where the machine has one.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{files::target_dir, lock};

/// A command for the machine's `node` that finds this package, as in `twilio@6.2.0`, and what it needs; why not otherwise. Scripts
/// of packages are not run.
pub fn node_with(package: &str) -> Result<Command, String> {
    let name = package.split('@').next().unwrap_or(package);
    let folder = target_dir().join(format!("tests-node-{name}"));
    lock::once(&target_dir().join(format!("tests-node-{name}.txt")), package, || install(&folder, package))?;
    let mut node = Command::new("node");
    node.env("NODE_PATH", folder.join("node_modules"));
    Ok(node)
}

fn install(folder: &PathBuf, package: &str) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let quietly = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"];
    let output = Command::new("npm").args(quietly).arg(folder).arg(package).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("npm cannot be run: {error}"))?;
    let said = || format!("npm could not install {package}: {}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said()) }
}
