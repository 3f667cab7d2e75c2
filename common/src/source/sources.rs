//! Each kind of source by the adapter that knows it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::{Error, Kind, Result},
    ports::Fetch,
    request::ImageSource,
};

/// Where the images of a front may come from.
pub struct Sources {
    /// Strangers' URLs.
    pub web: Arc<dyn Fetch>,
    /// Objects of the configured buckets.
    pub bucket: Arc<dyn Fetch>,
}

#[async_trait]
impl Fetch for Sources {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        match source {
            ImageSource::Url(_) => self.web.fetch(source).await,
            ImageSource::Object(_) => self.bucket.fetch(source).await,
            ImageSource::Bytes(bytes) => Ok(bytes.clone()),
            ImageSource::File(_) => Err(Error::new(Kind::InvalidRequest, "files are for the command line only")),
        }
    }
}
