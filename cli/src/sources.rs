//! Where pictures may come from on one machine: the web, the bucket, and for `label` the files that were named.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result, internal},
    ports::Fetch,
    request::ImageSource,
};

/// Opens each kind of source by the adapter that knows it.
pub(crate) struct Sources {
    /// Strangers' URLs.
    pub(crate) web: Arc<dyn Fetch>,
    /// Objects of the directory bucket.
    pub(crate) bucket: Arc<dyn Fetch>,
    /// Files, up to this size.
    pub(crate) max_bytes: usize,
}

#[async_trait]
impl Fetch for Sources {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        match source {
            ImageSource::Url(_) => self.web.fetch(source).await,
            ImageSource::Object(_) => self.bucket.fetch(source).await,
            ImageSource::Bytes(bytes) => Ok(bytes.clone()),
            ImageSource::File(path) => {
                let (path, limit) = (path.clone(), self.max_bytes);
                tokio::task::spawn_blocking(move || read(&path, limit)).await.map_err(internal)?
            }
        }
    }
}

fn read(path: &std::path::Path, limit: usize) -> Result<Bytes> {
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::SourceNotFound, "there is no such file"),
        _ => Error::new(Kind::SourceUnavailable, format!("cannot be read: {cause}")),
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limit as u64 {
        return Err(Error::new(Kind::TooLarge, format!("{size} bytes are more than the {limit} allowed")));
    }
    std::fs::read(path).map(Bytes::from).map_err(failed)
}
