//! Taking originals out of sight, and back. Objects of a folder have no tags, so that being elsewhere is what keeps one from
//! everybody.

use std::{collections::BTreeMap, fs, io, path::Path};

use async_trait::async_trait;
use common::{
    error::{Result, internal},
    ports::Originals,
    request::ObjectRef,
    upload::DERIVED,
};

use super::{DirectoryBucket, Folder, read, sync_folder};
use crate::db::file_error;

/// Where an original lies that nobody shall see: below what is never taken in.
pub(super) fn held_key(key: &str) -> String {
    format!("{DERIVED}held/{key}")
}

#[async_trait]
impl Originals for DirectoryBucket {
    async fn tag(&self, _: &ObjectRef, _: &BTreeMap<String, String>) -> Result<()> {
        Ok(())
    }

    async fn hold(&self, object: &ObjectRef) -> Result<()> {
        let (folder, key) = (self.0.clone(), object.key.clone());
        tokio::task::spawn_blocking(move || folder.hold(&key)).await.map_err(internal)?
    }

    async fn release(&self, object: &ObjectRef) -> Result<()> {
        let (folder, key) = (self.0.clone(), object.key.clone());
        tokio::task::spawn_blocking(move || folder.release(&key)).await.map_err(internal)?
    }
}

impl Folder {
    fn hold(&self, key: &str) -> Result<()> {
        let (open, held) = (self.path(key)?, self.path(&held_key(key))?);
        if !is_file(&open) {
            return Ok(());
        }
        let parent = held.parent().unwrap_or(&self.root);
        self.make_folders(parent).map_err(file_error)?;
        fs::rename(&open, &held).map_err(file_error)?;
        sync_folder(parent).map_err(file_error)?;
        sync_folder(open.parent().unwrap_or(&self.root)).map_err(file_error)
    }

    /// What was put in the place meanwhile stays there, and the held original where it is.
    fn release(&self, key: &str) -> Result<()> {
        let (open, held) = (self.path(key)?, self.path(&held_key(key))?);
        if !is_file(&held) {
            return Ok(());
        }
        let parent = open.parent().unwrap_or(&self.root);
        self.make_folders(parent).map_err(file_error)?;
        // A link is made only where nothing is, which a rename would replace.
        match fs::hard_link(&held, &open) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // After a crash between the link and the removal both are the same.
                if read(&open, self.max_bytes)?.0 != read(&held, self.max_bytes)?.0 {
                    return Ok(());
                }
            }
            linked => linked.and_then(|()| sync_folder(parent)).map_err(file_error)?,
        }
        self.remove(&held)
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}
