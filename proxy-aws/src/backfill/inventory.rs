//! The objects of a bucket as an S3 Inventory in CSV tells them: no list request, whatever their number.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>
//!
//! An inventory is up to a day or a week old: what was deleted since is sent, and the stack finds it gone.

mod manifest;
mod rows;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use common::error::{Error, Kind, Result, internal};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use self::{
    manifest::Manifest,
    rows::{Position, Rows},
};
use super::{Listing, Page, Source, listing::patient};
use crate::refusals::refused;

/// Bytes that a manifest has at the most; it names files, not objects.
const MANIFEST: i64 = 64 << 20;

/// An inventory, read file by file.
#[derive(Debug)]
pub struct Inventory {
    s3: Client,
    source: Source,
    /// Where the manifest and its files lie.
    bucket: String,
    manifest: Manifest,
    open: Option<Rows>,
}

impl Inventory {
    /// Reads the manifest (`s3://bucket/path/manifest.json`) and refuses an inventory that cannot tell what `source` holds.
    pub async fn open(s3: Client, source: Source, manifest: &str) -> Result<Self> {
        let (s3, place) = (patient(&s3), manifest.parse::<Source>()?);
        let get = s3.get_object().bucket(&place.bucket).key(&place.prefix).send();
        let told = get.await.map_err(|error| refused("the inventory's manifest cannot be read", error))?;
        if told.content_length().is_some_and(|length| length > MANIFEST) {
            return Err(Error::new(Kind::InvalidRequest, "this is too large for the manifest of an inventory"));
        }
        let json = told.body.collect().await.map_err(broken)?.into_bytes();
        let manifest = Manifest::parse(&json, &source)?;
        Ok(Self { s3, source, bucket: place.bucket, manifest, open: None })
    }

    /// Brings a file of the inventory to this machine's disk: a backfill may take longer than a connection lasts.
    async fn fetch(&self, key: &str) -> Result<std::fs::File> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key).send();
        let mut body = get.await.map_err(|error| refused("a file of the inventory cannot be read", error))?.body;
        let disk = |cause| Error::new(Kind::Unavailable, "the inventory does not go onto the disk").because(cause);
        let file = NamedTempFile::new().map_err(disk)?;
        let mut copy = tokio::fs::File::from_std(file.reopen().map_err(disk)?);
        while let Some(bytes) = body.try_next().await.map_err(broken)? {
            copy.write_all(&bytes).await.map_err(disk)?;
        }
        copy.flush().await.map_err(disk)?;
        Ok(file.into_file())
    }

    /// The rows from a position on, gone on with where they are open there.
    async fn rows(&mut self, at: Position) -> Result<Option<Rows>> {
        if let Some(open) = self.open.take_if(|open| open.position() == at) {
            return Ok(Some(open));
        }
        let Some(key) = self.manifest.files.get(at.file).cloned() else { return Ok(None) };
        let file = self.fetch(&key).await?;
        let columns = self.manifest.columns;
        let opened = tokio::task::spawn_blocking(move || Rows::open(file, columns, at)).await;
        opened.map_err(internal)?.map(Some)
    }
}

#[async_trait]
impl Listing for Inventory {
    async fn page(&mut self, after: Option<&str>) -> Result<Page> {
        let at = after.map_or(Ok(Position::default()), str::parse)?;
        let Some(mut rows) = self.rows(at).await? else { return Ok(Page::default()) };
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || {
            let objects = rows.page(&source)?;
            Ok::<_, Error>((rows, objects))
        });
        let (rows, objects) = read.await.map_err(internal)??;
        let next = rows.next();
        let more = next.file < self.manifest.files.len();
        self.open = Some(rows);
        Ok(Page { objects, next: more.then(|| next.to_string()) })
    }
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "a file of the inventory ended early").because(cause)
}
