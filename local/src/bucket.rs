//! A folder as a bucket: keys are paths below it. Reads and writes objects; `watch` notices what others put there.
//!
//! The folder belongs to the user, who may put anything into it: nothing here follows a symbolic link, opens what is not
//! a regular file, or leaves the folder.

mod custody;
mod key;
mod take;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result, internal},
    image::Digest,
    ports::{Fetch, Store},
    request::{ImageSource, ObjectRef},
    upload::DERIVED,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::file_error;

pub use take::Ignored;
pub use watch::Watch;

/// The name of the one bucket, as it stands in `bucket://local/cat.jpg`.
pub const BUCKET: &str = "local";
/// The topic on which every object that is ready is announced, see [`ObjectCreated`].
pub const OBJECT_CREATED: &str = "object_created";

/// The body of a message on [`OBJECT_CREATED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectCreated {
    /// Path below the bucket, `/` between its parts.
    pub key: String,
    /// See [`etag`].
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

impl ObjectCreated {
    /// The object as a request names it.
    pub fn object(&self) -> ObjectRef {
        object(&self.key, self.etag.clone())
    }
}

/// An object of this bucket; with [`etag`] this is what an upload of these bytes under this key will be.
pub fn object(key: &str, etag: String) -> ObjectRef {
    ObjectRef { bucket: BUCKET.to_owned(), key: key.to_owned(), version: None, etag }
}

/// The entity tag of these bytes: the first half of their digest.
pub fn etag(bytes: &[u8]) -> String {
    short(&Digest::of(bytes).hex())
}

fn short(hex: &str) -> String {
    hex.chars().take(32).collect()
}

/// Implements `Fetch` for objects, and `Store`. Clones share the folder.
#[derive(Clone)]
pub struct DirectoryBucket(Arc<Folder>);

struct Folder {
    root: PathBuf,
    staging: PathBuf,
    max_bytes: usize,
}

impl DirectoryBucket {
    /// The bucket in `dir/bucket`; objects larger than `max_bytes` are not read.
    pub(crate) fn open(dir: &Path, max_bytes: usize) -> Result<Self> {
        let (root, staging) = (dir.join("bucket"), dir.join("staging"));
        fs::create_dir_all(&root).map_err(file_error)?;
        fs::create_dir_all(&staging).map_err(file_error)?;
        // The root itself may be a link to the user's pictures.
        let root = root.canonicalize().map_err(file_error)?;
        Ok(Self(Arc::new(Folder { root, staging, max_bytes })))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Removes what an earlier process left half written. Only for the one that is alone on the folder.
    pub(crate) fn sweep_staging(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0.staging).map_err(file_error)? {
            let _ = fs::remove_file(entry.map_err(file_error)?.path());
        }
        Ok(())
    }
}

#[async_trait]
impl Fetch for DirectoryBucket {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        match source {
            ImageSource::Bytes(bytes) => Ok(bytes.clone()),
            ImageSource::Object(object) => {
                let (folder, object) = (self.0.clone(), object.clone());
                tokio::task::spawn_blocking(move || folder.fetch(&object)).await.map_err(internal)?
            }
            _ => Err(Error::new(Kind::Unsupported, "a bucket opens objects only")),
        }
    }
}

#[async_trait]
impl Store for DirectoryBucket {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.0.path(key)?;
        let folder = self.0.clone();
        tokio::task::spawn_blocking(move || folder.put(&path, &bytes)).await.map_err(internal)?
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let path = self.0.path(key)?;
        let folder = self.0.clone();
        tokio::task::spawn_blocking(move || folder.remove(&path)).await.map_err(internal)?
    }
}

impl Folder {
    /// Where the object lies; every folder on the way that exists is a real one.
    fn path(&self, key: &str) -> Result<PathBuf> {
        key::check(key)?;
        let mut path = self.root.clone();
        for part in key.split('/') {
            if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(Error::new(Kind::InvalidRequest, "a part of the key is an object or a link, not a folder"));
            }
            path.push(part);
        }
        Ok(path)
    }

    fn fetch(&self, object: &ObjectRef) -> Result<Bytes> {
        if object.bucket != BUCKET {
            return Err(Error::new(Kind::SourceNotFound, "there is no such bucket"));
        }
        let read = |key: &str| read(&self.path(key)?, self.max_bytes);
        let (bytes, _) = match read(&object.key) {
            Err(error) if error.kind() == Kind::SourceNotFound => read(&custody::held_key(&object.key))?,
            found => found?,
        };
        // Who knows no etag wants whatever is there now.
        if !object.etag.is_empty() && etag(&bytes) != object.etag {
            return Err(Error::new(Kind::SourceNotFound, "the object was replaced by a newer version"));
        }
        Ok(bytes)
    }

    /// Beside the watched folder first, then moved into its place: nobody sees half of it, and a crash leaves the old one.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let refused = |message| Err(Error::new(Kind::InvalidRequest, message));
        if path.is_dir() {
            return refused("the key is a folder");
        }
        let parent = path.parent().unwrap_or(&self.root);
        self.make_folders(parent).map_err(file_error)?;
        let temporary = self.staging.join(Uuid::now_v7().to_string());
        let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written.and_then(|()| sync_folder(parent)) {
            let _ = fs::remove_file(&temporary);
            return Err(file_error(error));
        }
        Ok(())
    }

    /// Makes the missing folders down to `folder`, each of them durable.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        self.make_folders(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_folder(parent),
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Err(Error::new(Kind::InvalidRequest, "the key is a folder"));
        }
        match fs::remove_file(path) {
            Ok(()) => sync_folder(path.parent().unwrap_or(&self.root)).map_err(file_error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file_error(error)),
        }
    }
}

/// A regular file's bytes and what they were read from; more than `max_bytes` is `too-large`.
fn read(path: &Path, max_bytes: usize) -> Result<(Bytes, Metadata)> {
    let missing = |error: io::Error| Error::new(Kind::SourceNotFound, "there is no such object").because(error);
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !fs::symlink_metadata(path).map_err(missing)?.is_file() {
        return Err(missing(io::Error::other("not a regular file")));
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => missing(error),
        _ => Error::new(Kind::SourceUnavailable, "the object cannot be read").because(error),
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(missing(io::Error::other("not a regular file")));
    }
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    if metadata.len() <= limit {
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    }
    if metadata.len() > limit || bytes.len() > max_bytes {
        return Err(Error::new(Kind::TooLarge, "the image is larger than the limit of bytes"));
    }
    Ok((bytes.into(), metadata))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename or removal in the folder durable, where the system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
