//! Parts in the user's cache folder: each a folder of files with a manifest of their sizes and SHA-256.
//!
//! A part appears whole by one rename or not at all; processes that make the same part wait for each other. Deliberately
//! not here: what the parts are made of.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use common::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "manifest.json";
/// How folders of parts in the making begin.
const PARTIAL: &str = ".partial-";

/// A file's size and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Size in bytes.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl Fingerprint {
    /// Reads the file through once, in small pieces.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0_u64);
        let mut piece = vec![0; 1 << 17];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(Self { bytes, sha256: hex(&hash.finalize()) });
            }
            bytes += u64::try_from(length).unwrap_or_default();
            hash.update(piece.get(..length).unwrap_or_default());
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size and content.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
}

impl Located {
    /// Reads the file through.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let fingerprint = Fingerprint::of(&path)?;
        Ok(Self { path, fingerprint })
    }
}

/// How a part is.
#[derive(Debug)]
pub(crate) enum State {
    /// Whole and unchanged: its files in the order of their making.
    Whole(Vec<Located>),
    Missing,
    /// What is wrong with it.
    Damaged(String),
}

/// A file of a manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    #[serde(flatten)]
    fingerprint: Fingerprint,
}

/// A folder of the cache.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    cache: PathBuf,
    name: String,
}

impl Part {
    pub(crate) fn new(cache: &Path, name: &str) -> Self {
        Self { cache: cache.to_owned(), name: name.to_owned() }
    }

    fn folder(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    /// Looks at it, and reads it through against its manifest.
    pub(crate) fn state(&self) -> State {
        if !self.exists() {
            return State::Missing;
        }
        let folder = self.folder();
        let checked = || -> Result<State, String> {
            let text = fs::read(folder.join(MANIFEST)).map_err(|error| format!("{MANIFEST}: {error}"))?;
            let entries: Vec<Entry> = serde_json::from_slice(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
            let files = entries.into_iter().map(|Entry { name, fingerprint }| {
                let file = Located::at(folder.join(&name)).map_err(|error| format!("{name}: {error}"))?;
                let found = &file.fingerprint;
                if *found == fingerprint {
                    Ok(file)
                } else {
                    Err(format!("{name} has {} bytes, SHA-256 {}", found.bytes, found.sha256))
                }
            });
            files.collect::<Result<_, _>>().map(State::Whole)
        };
        checked().unwrap_or_else(State::Damaged)
    }

    /// True where it has been made, whole or not.
    pub(crate) fn exists(&self) -> bool {
        self.folder().exists()
    }

    /// Makes it, unless another process has done so meanwhile. `make` writes the part's files into the folder that it is
    /// given, may leave scratch files in the second one, and returns the files' names.
    pub(crate) fn make(&self, make: impl FnOnce(&Path, &Path) -> Result<Vec<String>>) -> Result<()> {
        let failed = |cause: io::Error| unwritable(&self.cache, cause);
        fs::create_dir_all(&self.cache).map_err(failed)?;
        let lock = File::create(self.cache.join(format!(".{}.lock", self.name))).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if matches!(self.state(), State::Whole(..)) {
            return Ok(());
        }
        // Under the lock nobody else works on this part: what lies about was left by a process that was killed.
        self.clear();
        let partial = self.cache.join(format!("{PARTIAL}{}-{}", self.name, std::process::id()));
        let (whole, scratch) = (partial.join("whole"), partial.join("scratch"));
        fs::create_dir_all(&whole).map_err(failed)?;
        fs::create_dir_all(&scratch).map_err(failed)?;
        let made = self.fill(&whole, &scratch, make);
        let replaced = made.and_then(|()| {
            if self.folder().exists() {
                fs::rename(self.folder(), partial.join("old")).map_err(failed)?;
            }
            fs::rename(&whole, self.folder()).map_err(failed)
        });
        self.clear();
        replaced
    }

    /// Removes what was being made. What cannot be removed (an orphaned pip may still write there) harms nobody and goes with
    /// the next making.
    fn clear(&self) {
        let ours = format!("{PARTIAL}{}-", self.name);
        let entries = fs::read_dir(&self.cache).into_iter().flatten().filter_map(io::Result::ok);
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }

    fn fill(&self, whole: &Path, scratch: &Path, make: impl FnOnce(&Path, &Path) -> Result<Vec<String>>) -> Result<()> {
        let failed = |cause: io::Error| unwritable(&self.cache, cause);
        let names = make(whole, scratch)?;
        let entries = names.into_iter().map(|name| {
            let fingerprint = Fingerprint::of(&whole.join(&name))?;
            Ok(Entry { name, fingerprint })
        });
        let entries = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
        let manifest = serde_json::to_vec_pretty(&entries);
        fs::write(whole.join(MANIFEST), manifest.map_err(common::error::internal)?).map_err(failed)
    }
}

/// The cache cannot be written.
pub(crate) fn unwritable(cache: &Path, cause: io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::StorageFull => "free some space (100 MB are enough)",
        _ => "make it writable",
    };
    let message = format!(
        "cannot write the cache folder {}: {cause}; {hint}, or choose another with CROSSLENS_CACHE",
        cache.display()
    );
    Error::new(Kind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(part: &Part, text: &str) -> Result<()> {
        part.make(|folder, _| {
            fs::write(folder.join("file"), text).unwrap();
            Ok(vec!["file".to_owned()])
        })
    }

    #[test]
    fn a_part_is_missing_whole_or_damaged() {
        let cache = tempfile::tempdir().unwrap();
        let part = Part::new(cache.path(), "part");
        assert!(matches!(part.state(), State::Missing));
        make(&part, "abc").unwrap();
        let State::Whole(files) = part.state() else { panic!() };
        let [Located { path: file, fingerprint }] = files.as_slice() else { panic!() };
        assert_eq!(fingerprint.bytes, 3);
        assert_eq!(fingerprint.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        fs::write(file, "abd").unwrap();
        assert!(matches!(part.state(), State::Damaged(_)));
        make(&part, "abc").unwrap();
        fs::write(file.with_file_name(MANIFEST), "{").unwrap();
        assert!(matches!(part.state(), State::Damaged(_)));
        fs::remove_file(file.with_file_name(MANIFEST)).unwrap();
        assert!(matches!(part.state(), State::Damaged(_)));
    }

    #[test]
    fn a_failed_making_leaves_what_was_there() {
        let cache = tempfile::tempdir().unwrap();
        let part = Part::new(cache.path(), "part");
        make(&part, "abc").unwrap();
        fs::write(part.folder().join("file"), "abd").unwrap();
        let failed = part.make(|folder, _| {
            fs::write(folder.join("file"), "half").unwrap();
            Err(Error::new(Kind::Unavailable, "no"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(part.folder().join("file")).unwrap(), "abd");
        // The lock and the part.
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2);
    }

    #[test]
    fn it_is_made_once_however_many_want_it() {
        let cache = tempfile::tempdir().unwrap();
        let made = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    Part::new(cache.path(), "part").make(|folder, _| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        // Long enough that the others come meanwhile.
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        fs::write(folder.join("file"), "abc").unwrap();
                        Ok(vec!["file".to_owned()])
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_cleared() {
        let cache = tempfile::tempdir().unwrap();
        let part = Part::new(cache.path(), "part");
        let left = cache.path().join(".partial-part-1/whole");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("junk"), "half").unwrap();
        make(&part, "abc").unwrap();
        assert!(!left.exists() && matches!(part.state(), State::Whole(..)));
    }
}
