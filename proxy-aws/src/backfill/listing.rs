//! The objects of a bucket as S3 lists them, in the order of their keys, so that a key is a position.

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::retry::RetryConfig,
    types::{BucketVersioningStatus, EncodingType},
};
use common::{
    error::{Error, Kind, Result},
    request::ObjectRef,
};

use super::{Listed, Listing, Page, Source};
use crate::{dead_letters::decoded, refusals::refused};

/// A bucket, listed as its events name its objects: with versions where it keeps them.
#[derive(Debug, Clone)]
pub struct S3Listing {
    s3: Client,
    source: Source,
    versioned: bool,
}

impl S3Listing {
    /// Asks the bucket whether it keeps versions.
    pub async fn open(s3: Client, source: Source) -> Result<Self> {
        let s3 = patient(&s3);
        let asked = s3.get_bucket_versioning().bucket(&source.bucket).send().await;
        let told = asked.map_err(|error| refused("the bucket does not say whether it keeps versions", error))?;
        // A bucket that once kept versions has old ones that are listed like the latest.
        let versioned =
            matches!(told.status, Some(BucketVersioningStatus::Enabled | BucketVersioningStatus::Suspended));
        Ok(Self { s3, source, versioned })
    }

    async fn latest(&self, after: Option<&str>) -> Result<Page> {
        let list = self.s3.list_object_versions().bucket(&self.source.bucket).prefix(&self.source.prefix);
        let list = list.encoding_type(EncodingType::Url).set_key_marker(after.map(str::to_owned));
        let told = list.send().await.map_err(|error| refused("the bucket cannot be listed", error))?;
        let form = Form::of(told.encoding_type());
        let keys = told.versions().iter().map(|version| version.key());
        let keys = keys.chain(told.delete_markers().iter().map(|marker| marker.key()));
        // A key's latest version comes first, so that its others, which may fill pages, can be passed over.
        let last = keys.flatten().map(|key| form.key(key)).max();
        let latest = told.versions().iter().filter(|version| version.is_latest() == Some(true)).filter_map(|version| {
            let archived = version.storage_class().is_some_and(|class| in_archive(class.as_str()));
            let size = version.size();
            self.listed(form.key(version.key()?), version.e_tag(), version.version_id(), size, archived, after)
        });
        Page::of(latest.collect(), last, told.is_truncated() == Some(true), after)
    }

    async fn plain(&self, after: Option<&str>) -> Result<Page> {
        let list = self.s3.list_objects_v2().bucket(&self.source.bucket).prefix(&self.source.prefix);
        let list = list.encoding_type(EncodingType::Url).set_start_after(after.map(str::to_owned));
        let told = list.send().await.map_err(|error| refused("the bucket cannot be listed", error))?;
        let form = Form::of(told.encoding_type());
        let last = told.contents().iter().filter_map(|object| object.key()).map(|key| form.key(key)).max();
        let objects = told.contents().iter().filter_map(|object| {
            let archived = object.storage_class().is_some_and(|class| in_archive(class.as_str()));
            self.listed(form.key(object.key()?), object.e_tag(), None, object.size(), archived, after)
        });
        Page::of(objects.collect(), last, told.is_truncated() == Some(true), after)
    }

    fn listed(
        &self,
        key: String,
        etag: Option<&str>,
        version: Option<&str>,
        bytes: Option<i64>,
        archived: bool,
        after: Option<&str>,
    ) -> Option<Listed> {
        // Whether the marker itself is told again, documentations of S3's differ.
        if after.is_some_and(|after| key.as_str() <= after) {
            return None;
        }
        let object = reference(&self.source.bucket, &key, version, etag.unwrap_or_default());
        let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        Some(Listed { object, bytes, archived, after: key })
    }
}

#[async_trait]
impl Listing for S3Listing {
    async fn page(&mut self, after: Option<&str>) -> Result<Page> {
        if self.versioned { self.latest(after).await } else { self.plain(after).await }
    }
}

/// How keys are written in a list: encoded, which was asked for since XML cannot hold all of them, where the server does that.
enum Form {
    Encoded,
    Plain,
}

impl Form {
    fn of(told: Option<&EncodingType>) -> Self {
        if told == Some(&EncodingType::Url) { Form::Encoded } else { Form::Plain }
    }

    fn key(&self, key: &str) -> String {
        match self {
            Form::Encoded => decoded(key),
            Form::Plain => key.to_owned(),
        }
    }
}

impl Page {
    fn of(objects: Vec<Listed>, last: Option<String>, more: bool, after: Option<&str>) -> Result<Self> {
        if !more {
            return Ok(Self { objects, next: None });
        }
        match last {
            Some(last) if after.is_none_or(|after| last.as_str() > after) => Ok(Self { objects, next: Some(last) }),
            _ => {
                Err(Error::new(Kind::Unavailable, "the bucket's list does not go on; does it keep its keys in order?"))
            }
        }
    }
}

/// The client, with calls that are tried again: unlike a queue's item, a page that fails ends everything.
pub(super) fn patient(s3: &Client) -> Client {
    let again = RetryConfig::standard().with_max_attempts(5);
    Client::from_conf(s3.config().to_builder().retry_config(again).build())
}

/// The object as its event would name it: an event has no version `null`, and no quotes around the tag.
pub(super) fn reference(bucket: &str, key: &str, version: Option<&str>, etag: &str) -> ObjectRef {
    ObjectRef {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: version.filter(|version| !version.is_empty() && *version != "null").map(str::to_owned),
        etag: etag.trim_matches('"').to_owned(),
    }
}

/// Whether objects of this class have to be brought back before they can be read.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
pub(super) fn in_archive(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_as_in_its_event() {
        let named = reference("b", "k", Some("null"), "\"abc-2\"");
        assert_eq!((named.version, named.etag.as_str()), (None, "abc-2"));
        assert_eq!(reference("b", "k", Some("v"), "e").version.as_deref(), Some("v"));
        assert_eq!(reference("b", "k", Some(""), "e").version, None);
    }

    #[test]
    fn a_list_that_does_not_go_on_is_an_error_and_no_endless_loop() {
        assert!(Page::of(Vec::new(), Some("b".to_owned()), true, Some("a")).is_ok());
        assert!(Page::of(Vec::new(), Some("a".to_owned()), true, Some("a")).is_err());
        assert!(Page::of(Vec::new(), None, true, None).is_err());
        assert!(Page::of(Vec::new(), None, false, None).is_ok());
    }
}
