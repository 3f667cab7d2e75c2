//! What is asked about which image, by whom, and what makes two requests the same.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::{
    analysis::{Feature, Features, MAX_LABELS},
    error::{Error, Kind, Result},
    image::Digest,
    source::SourceUrl,
};

/// Labels returned where the request does not say.
pub const DEFAULT_MAX_LABELS: u16 = 10;

/// A deployment that takes images in; its name is the prefix of every id it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Cloud {
    Local,
    Aws,
    Gcp,
}

impl Cloud {
    /// The prefix of ids and the value of `x-crosslens-cloud`.
    pub const fn name(self) -> &'static str {
        match self {
            Cloud::Local => "local",
            Cloud::Aws => "aws",
            Cloud::Gcp => "gcp",
        }
    }

    /// The scheme of the objects in its buckets, as in `s3://bucket/key`.
    pub const fn bucket_scheme(self) -> &'static str {
        match self {
            Cloud::Local => "bucket",
            Cloud::Aws => "s3",
            Cloud::Gcp => "gs",
        }
    }
}

/// An object in a configured bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The version, where the bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The entity tag; it changes with the content.
    pub etag: String,
}

impl ObjectRef {
    /// The object that a stored `source` names, without its etag; `None` for other sources. A `versionId` is the one query
    /// that such a source has.
    pub fn of_source(source: &str) -> Option<Self> {
        let rest = source.strip_prefix("s3://").or_else(|| source.strip_prefix("bucket://"))?;
        let (bucket, rest) = rest.split_once('/')?;
        let (key, version) = match rest.rsplit_once("?versionId=") {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (rest, None),
        };
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned(), version, etag: String::new() })
    }

    /// The id of the request for these features of this version of the object: an event and a backfill agree on it.
    pub fn id(&self, cloud: Cloud, query: &Query) -> ImageId {
        let tag = self.version.as_ref().unwrap_or(&self.etag);
        ImageId::new(cloud, &format!("{}/{}@{tag}", self.bucket, self.key), query)
    }
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum ImageSource {
    /// A stranger's URL.
    Url(SourceUrl),
    /// An object in a configured bucket.
    Object(ObjectRef),
    /// A file that the operator named on the command line; never one that a request names.
    File(PathBuf),
    /// Bytes in the request.
    Bytes(Bytes),
}

impl ImageSource {
    /// What may be stored and published about it: no query (but a version), no fragment, no credentials.
    pub fn shown(&self, cloud: Cloud) -> Option<String> {
        match self {
            ImageSource::Url(url) => Some(url.shown()),
            ImageSource::Object(object) => {
                let version =
                    object.version.as_ref().map(|version| format!("?versionId={version}")).unwrap_or_default();
                Some(format!("{}://{}/{}{version}", cloud.bucket_scheme(), object.bucket, object.key))
            }
            ImageSource::File(path) => Some(format!("file://{}", path.display())),
            ImageSource::Bytes(_) => None,
        }
    }
}

/// Who asks; `local` on a loopback listener, otherwise the name of the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller(pub String);

/// The questions about an image, without the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// What to find.
    pub features: Features,
    /// Those of the features that may come later: where nobody can tell them now, they are worked on afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Feature>,
    /// The most labels to return, 1 to [`MAX_LABELS`].
    pub max_labels: u16,
    /// Whether an event is published.
    pub publish: bool,
}

impl Query {
    /// Checks the range of `max_labels`.
    pub fn new(features: Features, max_labels: Option<u16>, publish: bool) -> Result<Self> {
        let max_labels = max_labels.unwrap_or(DEFAULT_MAX_LABELS);
        if !(1..=MAX_LABELS).contains(&max_labels) {
            return Err(Error::new(Kind::InvalidRequest, format!("maxLabels is 1 to {MAX_LABELS}")));
        }
        Ok(Self { features, later: Vec::new(), max_labels, publish })
    }

    /// Asks for these features as well, which may come later.
    #[must_use]
    pub fn with_later(mut self, later: Option<Features>) -> Self {
        if let Some(later) = later {
            self.features = self.features.with(&later);
            self.later = later.into();
        }
        self
    }
}

impl Default for Query {
    fn default() -> Self {
        Self { features: Features::default(), later: Vec::new(), max_labels: DEFAULT_MAX_LABELS, publish: true }
    }
}

/// One image to label.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// Where the image is.
    pub source: ImageSource,
    /// What to find.
    pub query: Query,
    /// Who asks.
    pub caller: Caller,
    /// The caller's own name for this request.
    pub idempotency_key: Option<String>,
    /// Follows the request through logs and answers.
    pub request_id: String,
    /// W3C trace context to continue.
    pub traceparent: Option<String>,
    /// When the answer is no longer wanted.
    pub deadline: Instant,
    /// Set when this is the work behind an earlier 202: its id, and the source that the caller named.
    pub accepted: Option<Accepted>,
}

impl ImageRequest {
    /// The request with these features and this publicity besides; its id stays that of what the caller asked.
    #[must_use]
    pub(crate) fn besides(&self, features: Option<&Features>, publish: bool) -> Self {
        let mut request = self.clone();
        if let Some(features) = features {
            request.query.features = request.query.features.with(features);
        }
        request.query.publish |= publish;
        request
    }

    /// What is left until the deadline.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What may be stored and published about where the image came from.
    pub fn shown_source(&self, cloud: Cloud) -> Option<String> {
        match &self.accepted {
            Some(accepted) => accepted.source.clone(),
            None => self.source.shown(cloud),
        }
    }

    /// Whose pending features are asked for.
    pub fn part_of(&self) -> Option<ImageId> {
        self.accepted.as_ref().and_then(|accepted| accepted.part_of.clone())
    }

    /// The id that is known before the bytes are: a bucket object's, and that of accepted work.
    pub fn early_id(&self, cloud: Cloud) -> Option<ImageId> {
        match (&self.accepted, &self.source) {
            (Some(accepted), _) => Some(accepted.id.clone()),
            (None, ImageSource::Object(object)) => Some(object.id(cloud, &self.query)),
            _ => None,
        }
    }

    /// The id of this request about these bytes.
    pub fn id(&self, cloud: Cloud, digest: Digest) -> ImageId {
        self.early_id(cloud).unwrap_or_else(|| {
            // Length-prefixed, so that no caller can spell another one's key.
            let Caller(caller) = &self.caller;
            let key = self.idempotency_key.as_deref().unwrap_or_default();
            ImageId::new(cloud, &format!("{}:{caller}/{}:{key}/{digest}", caller.len(), key.len()), &self.query)
        })
    }
}

/// What a 202 promised, kept in the ledger until the bytes under `inbox/{id}` are worked off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The promised id.
    pub id: ImageId,
    /// The source that the caller named.
    pub source: Option<String>,
    /// What to find.
    pub query: Query,
    /// Who asked.
    pub caller: Caller,
    /// The request that was answered 202.
    pub request_id: String,
    /// W3C trace context to continue.
    pub traceparent: Option<String>,
    /// The request whose pending features these are. "Cannot tell" is then no answer: the work waits for somebody who can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<ImageId>,
}

/// Names one request: a cloud's prefix and 128 bits in base32.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageId(String);

impl ImageId {
    const DIGITS: usize = 26;

    /// Derives the id from what makes the request the same request.
    fn new(cloud: Cloud, request_key: &str, query: &Query) -> Self {
        let mut hash = Sha256::new();
        hash.update(request_key.as_bytes());
        hash.update([0]);
        hash.update(query.features.to_string().as_bytes());
        hash.update([0]);
        hash.update(query.max_labels.to_be_bytes());
        for feature in &query.later {
            hash.update([0]);
            hash.update(feature.name().as_bytes());
        }
        Self::of(cloud.name(), hash)
    }

    /// Names the work on the features of this request that were not to be had at first.
    #[must_use]
    pub fn rest(&self) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0.as_bytes());
        hash.update([0]);
        hash.update(b"pending");
        Self::of(self.0.split_once('-').map_or("", |(cloud, _)| cloud), hash)
    }

    /// Names the `n`th thing that a message asks for, counted from 0; every delivery of the message gives the same ids.
    pub fn of_message(cloud: Cloud, message: &str, n: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"message");
        hash.update([0]);
        hash.update(format!("{message}/{n}").as_bytes());
        Self::of(cloud.name(), hash)
    }

    fn of(cloud: &str, hash: Sha256) -> Self {
        let bits = hash.finalize();
        let digits = data_encoding::BASE32_NOPAD.encode(bits.get(..16).unwrap_or_default()).to_lowercase();
        Self(format!("{cloud}-{digits}"))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let valid = text.split_once('-').is_some_and(|(cloud, digits)| {
            (1..=8).contains(&cloud.len())
                && cloud.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && digits.len() == Self::DIGITS
                && digits.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
        });
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::new(Kind::NotFound, "no such image id")) }
    }
}

impl TryFrom<String> for ImageId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ImageId> for String {
    fn from(id: ImageId) -> Self {
        id.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
