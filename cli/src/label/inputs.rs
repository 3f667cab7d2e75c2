//! What `label` was told to label, one picture at a time: folders are walked as the work goes on, never listed.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use common::{
    error::{Error, Kind, Result},
    image::MediaType,
    request::ImageSource,
    source::SourceUrl,
};
use walkdir::WalkDir;

/// Names that promise a picture: in a folder, such a file is an error when it is none, and any other is passed over.
const PROMISING: [&str; 8] = ["jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff"];

/// One picture.
#[derive(Debug)]
pub(super) struct Input {
    /// As it was named.
    pub(super) name: String,
    /// Where it is, or why it cannot be one.
    pub(super) source: Result<ImageSource>,
}

/// All that was named.
pub(super) struct Inputs {
    named: std::vec::IntoIter<String>,
    walk: Option<walkdir::IntoIter>,
    all: Vec<String>,
    stdin_limit: usize,
    skipped: Arc<AtomicU64>,
}

impl Inputs {
    /// Everything that was named; something that is not there is a usage error at once.
    pub(super) fn new(named: Vec<String>, stdin_limit: usize) -> Result<Self> {
        for name in &named {
            if name != "-" && !is_url(name) && !Path::new(name).exists() {
                return Err(Error::new(Kind::InvalidRequest, format!("{name}: there is no such file or folder")));
            }
        }
        Ok(Self { all: named.clone(), named: named.into_iter(), walk: None, stdin_limit, skipped: Arc::default() })
    }

    /// How many pictures there are, as far as names tell.
    pub(super) fn count(&self) -> u64 {
        let files =
            |name: &String| walk(Path::new(name)).filter_map(Result::ok).filter(|entry| promising(entry.path()));
        let count = |name: &String| if Path::new(name).is_dir() { files(name).count() as u64 } else { 1 };
        self.all.iter().map(count).sum()
    }

    /// Files that were passed over so far.
    pub(super) fn skipped(&self) -> Arc<AtomicU64> {
        self.skipped.clone()
    }

    fn next_in_folder(&mut self) -> Option<Input> {
        loop {
            let entry = match self.walk.as_mut()?.next() {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => {
                    let name = error.path().map_or_else(|| "folder".to_owned(), |path| path.display().to_string());
                    let error = Error::new(Kind::SourceUnavailable, "cannot be read").because(error);
                    return Some(Input { name, source: Err(error) });
                }
                None => {
                    self.walk = None;
                    return None;
                }
            };
            if !entry.file_type().is_file() {
                continue;
            }
            if promising(entry.path()) || begins_like_a_picture(entry.path()) {
                return Some(file(entry.into_path()));
            }
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Iterator for Inputs {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        loop {
            if let Some(input) = self.next_in_folder() {
                return Some(input);
            }
            let name = self.named.next()?;
            if name == "-" {
                return Some(Input { name, source: stdin(self.stdin_limit) });
            }
            if is_url(&name) {
                let source = SourceUrl::parse(&name).map(ImageSource::Url);
                return Some(Input { name, source });
            }
            if !Path::new(&name).is_dir() {
                return Some(file(PathBuf::from(name)));
            }
            self.walk = Some(walk(Path::new(&name)));
        }
    }
}

fn walk(folder: &Path) -> walkdir::IntoIter {
    // Not sorted: that would hold a whole folder in memory.
    WalkDir::new(folder).follow_links(false).into_iter()
}

fn file(path: PathBuf) -> Input {
    let name = path.display().to_string();
    // What is kept of it should mean the same from any folder.
    Input { name, source: Ok(ImageSource::File(std::path::absolute(&path).unwrap_or(path))) }
}

fn stdin(limit: usize) -> Result<ImageSource> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the gate sees that it is too much.
    let read = std::io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|cause| Error::new(Kind::SourceUnavailable, "standard input cannot be read").because(cause))?;
    Ok(ImageSource::Bytes(Bytes::from(bytes)))
}

fn is_url(name: &str) -> bool {
    name.contains("://")
}

fn promising(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| PROMISING.contains(&extension.as_str()))
}

fn begins_like_a_picture(path: &Path) -> bool {
    let mut head = Vec::with_capacity(32);
    let read = File::open(path).and_then(|file| file.take(32).read_to_end(&mut head));
    read.is_ok() && MediaType::sniff(&head).is_ok()
}
