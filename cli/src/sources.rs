//! Where pictures may come from on one machine: what every front takes, those of `crosslens message`, and for `label` the files
//! that were named.

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result, internal},
    ports::Fetch,
    request::ImageSource,
    source::Sources,
};

use crate::messages::picture_key;

/// The sources of a front, and files.
pub(crate) struct WithFiles {
    pub(crate) sources: Sources,
    /// The largest file that is read, in bytes.
    pub(crate) max_bytes: usize,
}

#[async_trait]
impl Fetch for WithFiles {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        match source {
            ImageSource::File(path) => {
                let (path, limit) = (path.clone(), self.max_bytes);
                tokio::task::spawn_blocking(move || read(&path, limit)).await.map_err(internal)?
            }
            ImageSource::Url(url) => match picture_key(url) {
                Some((key, etag)) => self.sources.bucket.fetch(&ImageSource::Object(local::object(&key, etag))).await,
                None => self.sources.web.fetch(source).await,
            },
            other => self.sources.fetch(other).await,
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
