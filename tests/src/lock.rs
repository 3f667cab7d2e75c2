//! Work that is done once on this machine, however many tests and test processes want it at the same time.

use std::{
    fs::{self, File},
    path::Path,
};

/// Runs `make` unless `marker` already holds `version`, one process at a time. The marker is written last, so a `make` that
/// was killed half-way is done anew.
pub(crate) fn once(marker: &Path, version: &str, make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let text = |error: std::io::Error| format!("{}: {error}", marker.display());
    if let Some(folder) = marker.parent() {
        fs::create_dir_all(folder).map_err(text)?;
    }
    let lock = File::create(marker.with_extension("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    if fs::read_to_string(marker).is_ok_and(|made| made == version) {
        return Ok(());
    }
    make()?;
    fs::write(marker, version).map_err(text)
}
