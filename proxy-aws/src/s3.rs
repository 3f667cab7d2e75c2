//! Objects of the configured buckets, and what the pipeline keeps in the first of them. `originals` writes tags on what was
//! uploaded, `tags` says which (pure).

mod originals;
mod tags;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    primitives::{ByteStream, ByteStreamError},
};
use bytes::{Bytes, BytesMut};
use common::{
    error::{Error, Kind, Result},
    ports::{Fetch, Store},
    request::{ImageSource, ObjectRef},
};

/// Bytes of a key (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const MAX_KEY: usize = 1024;

/// The buckets that are ours to read; the first is ours to write.
#[derive(Debug, Clone)]
pub struct Buckets {
    client: aws_sdk_s3::Client,
    names: Arc<[String]>,
    max_bytes: usize,
}

impl Buckets {
    /// Objects up to `max_bytes` of these buckets.
    pub fn new(client: aws_sdk_s3::Client, names: Arc<[String]>, max_bytes: usize) -> Self {
        Self { client, names, max_bytes }
    }

    /// The bucket that the pipeline writes to.
    pub fn own(&self) -> Result<&str> {
        self.names.first().map(String::as_str).ok_or_else(|| Error::new(Kind::Unavailable, "no bucket is configured"))
    }

    /// An object can name any bucket.
    fn ours(&self, object: &ObjectRef) -> Result<()> {
        if self.names.contains(&object.bucket) {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "the bucket is not configured"))
    }

    async fn read(&self, object: &ObjectRef) -> Result<Bytes> {
        self.ours(object)?;
        let mut call = self.client.get_object().bucket(&object.bucket).key(&object.key);
        // Without a version the etag stands for it: bytes that were replaced meanwhile are another object's. Who knows neither
        // wants whatever is there now.
        call = match &object.version {
            Some(version) => call.version_id(version),
            None => call.set_if_match(etag(object)),
        };
        let answer = call.send().await.map_err(|error| classify(error, "the object cannot be read"))?;
        // Before a byte of it is read.
        let size = answer.content_length().and_then(|size| usize::try_from(size).ok());
        if size.is_some_and(|size| size > self.max_bytes) {
            return Err(too_large(self.max_bytes));
        }
        bounded(answer.body, size.unwrap_or_default(), self.max_bytes).await
    }
}

#[async_trait]
impl Fetch for Buckets {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        match source {
            ImageSource::Object(object) => self.read(object).await,
            _ => Err(Error::new(Kind::InvalidRequest, "not an object of a bucket")),
        }
    }
}

#[async_trait]
impl Store for Buckets {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        check(key)?;
        let call = self.client.put_object().bucket(self.own()?).key(key).body(ByteStream::from(bytes));
        call.set_content_type(content_type(key).map(str::to_owned))
            .send()
            .await
            .map_err(|error| classify(error, "the object cannot be written"))?;
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        check(key)?;
        let call = self.client.delete_object().bucket(self.own()?).key(key);
        call.send().await.map_err(|error| classify(error, "the object cannot be removed"))?;
        Ok(())
    }
}

/// The object's etag, where it is known: what only a `source` names has none.
fn etag(object: &ObjectRef) -> Option<String> {
    Some(object.etag.clone()).filter(|etag| !etag.is_empty())
}

/// What browsers and other readers take an object for, by its name.
fn content_type(key: &str) -> Option<&'static str> {
    let (_, extension) = key.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "json" => "application/json",
        _ => return None,
    })
}

async fn bounded(mut body: ByteStream, size: usize, most: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::with_capacity(size.min(most));
    let broken =
        |cause: ByteStreamError| Error::new(Kind::SourceUnavailable, "the object's bytes ended early").because(cause);
    while let Some(part) = body.try_next().await.map_err(broken)? {
        if bytes.len().saturating_add(part.len()) > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

fn too_large(most: usize) -> Error {
    Error::new(Kind::TooLarge, format!("the object is larger than the {most} bytes allowed"))
}

/// Refuses keys that tools would take for a way out of the bucket or of a folder.
fn check(key: &str) -> Result<()> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.len() > MAX_KEY || key.split('/').any(odd) || key.chars().any(|c| c.is_control() || c == '\\') {
        return Err(Error::new(Kind::InvalidRequest, "not a key that objects are kept under"));
    }
    Ok(())
}

/// What S3 says, in our words. What only an operator can change is permanent: the image is given up and said to be, and
/// can be asked for again.
fn classify<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(
    error: SdkError<E>,
    what: &'static str,
) -> Error {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let cause = format!("{}", DisplayErrorContext(&error));
    let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default();
    let (kind, message) = match (code, status) {
        ("PreconditionFailed", _) | (_, Some(412)) => (Kind::SourceNotFound, "the object was replaced meanwhile"),
        ("NoSuchBucket", _) => (Kind::SourceNotFound, "there is no such bucket"),
        // A delete marker is the newest version.
        ("NoSuchKey" | "NoSuchVersion" | "MethodNotAllowed", _) | (_, Some(404)) => {
            (Kind::SourceNotFound, "the object is gone")
        }
        ("InvalidObjectState", _) => (Kind::Forbidden, "the object is archived; restore it first"),
        (code, _) if code.starts_with("KMS.") || (code == "AccessDenied" && cause.contains("kms:")) => {
            (Kind::Forbidden, "the object's KMS key may not be used")
        }
        ("AccessDenied" | "AllAccessDisabled", _) | (_, Some(403)) => {
            (Kind::Forbidden, "a policy forbids access to the object")
        }
        _ => (Kind::SourceUnavailable, what),
    };
    Error::new(kind, message).because(cause)
}
