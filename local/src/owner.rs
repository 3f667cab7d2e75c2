//! Which processes use the data folder: each holds the lock of a file of its own, so that a claim of a dead process can be
//! told from one of a living process. Knows nothing of claims.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use common::error::{Error, Kind, Result, Retry};
use uuid::Uuid;

use crate::db::file_error;

/// This process's mark in the data folder; the operating system takes the lock away when the process ends in any way.
pub(crate) struct Owner {
    pub(crate) id: String,
    path: PathBuf,
    _mark: File,
    _exclusive: Option<File>,
}

/// While it lives, no other process enters.
pub(crate) struct Entering {
    pub(crate) owner: Owner,
    dead: Vec<PathBuf>,
    _guard: File,
}

impl Entering {
    /// Marks this process as a user of `dir`; at most one process is `exclusive`.
    pub(crate) fn begin(dir: &Path, exclusive: bool) -> Result<Self> {
        let marks = dir.join("processes");
        fs::create_dir_all(&marks).map_err(file_error)?;
        let exclusive = if exclusive { Some(sole(dir)?) } else { None };
        let guard = open(&dir.join("processes.lock"))?;
        guard.lock().map_err(file_error)?;
        let dead = dead(&marks)?;
        let id = Uuid::now_v7().to_string();
        let path = marks.join(&id);
        let mark = open(&path)?;
        mark.lock().map_err(file_error)?;
        Ok(Self { owner: Owner { id, path, _mark: mark, _exclusive: exclusive }, dead, _guard: guard })
    }

    /// The ids of processes that ended without saying so.
    pub(crate) fn dead(&self) -> Vec<String> {
        self.dead.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    /// Forgets the dead and lets others enter.
    pub(crate) fn end(self) -> Owner {
        for path in &self.dead {
            let _ = fs::remove_file(path);
        }
        self.owner
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn sole(dir: &Path) -> Result<File> {
    let file = open(&dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = "another crosslens is up on this data folder; stop it or choose another folder with --data";
            Err(Error::new(Kind::Unavailable, message).with_retry(Retry::Never))
        }
        Err(TryLockError::Error(error)) => Err(file_error(error)),
    }
}

fn dead(marks: &Path) -> Result<Vec<PathBuf>> {
    let mut dead = Vec::new();
    for entry in fs::read_dir(marks).map_err(file_error)? {
        let path = entry.map_err(file_error)?.path();
        // A mark that vanishes meanwhile belonged to a process that ended well.
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            dead.push(path);
        }
    }
    Ok(dead)
}

fn open(path: &Path) -> Result<File> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(file_error)
}
