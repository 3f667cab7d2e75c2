//! What S3 says about an object, from whichever envelope it comes in. Pure.
//!
//! Only what is used is read, so that a field that is missing or new elsewhere refuses no event.

use std::borrow::Cow;

use common::{
    error::{Error, Kind, Result},
    request::ObjectRef,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sequencer::Sequencer;

/// What is to be done about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An object appeared, then, where that is told.
    Created(ObjectRef, Option<Sequencer>),
    /// An object, or one version of it, is gone.
    Removed {
        /// Its bucket.
        bucket: String,
        /// Its key, decoded.
        key: String,
        /// The version that is gone; `None` where the object as a whole is.
        version: Option<String>,
        /// When, where that is told.
        sequencer: Option<Sequencer>,
    },
    /// Nothing, on purpose; the word says why, for the counters.
    Ignored(&'static str),
}

/// Everything that one message says.
///
/// # Errors
/// `invalid-request` with the reason, where it is not about objects.
pub(super) fn read(message: &str) -> Result<Vec<Notice>> {
    let envelope: Envelope<'_> = serde_json::from_str(message).map_err(|cause| refused("not JSON").because(cause))?;
    match envelope {
        Envelope { event: Some(event), .. } if event == "s3:TestEvent" => Ok(vec![Notice::Ignored("test-event")]),
        Envelope { records: Some(records), .. } => records.iter().map(|record| classic(record)).collect(),
        // SNS in front of SQS, unless the subscription delivers raw messages.
        Envelope { kind: Some(kind), message: Some(inner), .. } if kind == "Notification" => read(&inner),
        Envelope { source: Some(source), detail_type: Some(kind), detail: Some(detail), .. } if source == "aws.s3" => {
            Ok(vec![bridged(&kind, detail)?])
        }
        _ => Err(refused("neither a notification of S3 nor one in an envelope of SNS or EventBridge")),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "Event", borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(rename = "Type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "Message", borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(rename = "detail-type", borrow)]
    detail_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: Subject,
}

/// The same in S3's own notifications and in EventBridge's `detail`, but for the spelling of two names.
#[derive(Deserialize)]
struct Subject {
    bucket: Bucket,
    object: Object,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
    #[serde(rename = "eTag", alias = "etag")]
    etag: Option<String>,
    #[serde(rename = "versionId", alias = "version-id")]
    version: Option<String>,
    sequencer: Option<String>,
}

impl Object {
    fn sequencer(&self) -> Option<Sequencer> {
        self.sequencer.as_deref().and_then(Sequencer::read)
    }
}

/// A record of S3's own notification, whose keys are form-encoded
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
fn classic(record: &RawValue) -> Result<Notice> {
    let Record { event_name, s3 } =
        serde_json::from_str(record.get()).map_err(|cause| refused("not a record of S3").because(cause))?;
    let Subject { bucket, object, .. } = s3;
    let key = form_decoded(&object.key)?;
    let (kind, detail) = event_name.trim_start_matches("s3:").split_once(':').unwrap_or((&event_name, ""));
    match kind {
        "ObjectCreated" => created(bucket.name, key, object),
        // A delete marker hides all versions; its own version id names none of them.
        "ObjectRemoved" => {
            let sequencer = object.sequencer();
            let version = some_version(object.version).filter(|_| detail != "DeleteMarkerCreated");
            Ok(Notice::Removed { bucket: bucket.name, key, version, sequencer })
        }
        "LifecycleExpiration" | "LifecycleTransition" => Ok(Notice::Ignored("lifecycle")),
        _ => Ok(Notice::Ignored("other-event")),
    }
}

/// An event of EventBridge, whose keys are plain
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>).
fn bridged(kind: &str, detail: &RawValue) -> Result<Notice> {
    let Subject { bucket, object, reason } =
        serde_json::from_str(detail.get()).map_err(|cause| refused("not an event about an object").because(cause))?;
    match kind {
        "Object Created" => created(bucket.name, object.key.clone(), object),
        "Object Deleted" if reason == "Lifecycle Expiration" => Ok(Notice::Ignored("lifecycle")),
        "Object Deleted" => {
            let sequencer = object.sequencer();
            let version = some_version(object.version);
            Ok(Notice::Removed { bucket: bucket.name, key: object.key, version, sequencer })
        }
        _ => Ok(Notice::Ignored("other-event")),
    }
}

fn created(bucket: String, key: String, object: Object) -> Result<Notice> {
    if object.size == Some(0) && key.ends_with('/') {
        return Ok(Notice::Ignored("folder-marker"));
    }
    let sequencer = object.sequencer();
    let version = some_version(object.version);
    let etag = object.etag.map(|etag| etag.trim_matches('"').to_owned()).unwrap_or_default();
    if version.is_none() && etag.is_empty() {
        return Err(refused("the object has neither a version nor an etag"));
    }
    Ok(Notice::Created(ObjectRef { bucket, key, version, etag }, sequencer))
}

/// What a bucket writes while versioning is suspended is the version `null`, which the next write replaces: no identity.
fn some_version(version: Option<String>) -> Option<String> {
    version.filter(|version| !version.is_empty() && version != "null")
}

fn form_decoded(key: &str) -> Result<String> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|cause| refused("the key is not UTF-8").because(cause))
}

fn refused(why: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, object: serde_json::Value) -> String {
        json!({ "Records": [{ "eventName": name, "s3": { "bucket": { "name": "b" }, "object": object } }] }).to_string()
    }

    fn one(message: &str) -> Notice {
        read(message).unwrap().remove(0)
    }

    #[test]
    fn keys_are_form_decoded() {
        let check = |encoded: &str, expected: &str| {
            let Notice::Created(object, _) = one(&record("ObjectCreated:Put", json!({ "key": encoded, "eTag": "e" })))
            else {
                panic!("{encoded}")
            };
            assert_eq!(object.key, expected);
        };
        check("a+b%2Bc.png", "a b+c.png");
        check("a+dir%2Fx%2Be%27.jpg", "a dir/x+e'.jpg");
        check("%C3%BC%25.jpg", "ü%.jpg");
        check("100%.jpg", "100%.jpg");
        let broken = record("ObjectCreated:Put", json!({ "key": "%FF", "eTag": "e" }));
        assert_eq!(read(&broken).unwrap_err().kind(), Kind::InvalidRequest);
    }

    #[test]
    fn what_makes_the_identity_is_the_version_or_the_etag() {
        let check = |object: serde_json::Value, version: Option<&str>, etag: &str| {
            let Notice::Created(found, _) = one(&record("ObjectCreated:Copy", object)) else { panic!("not created") };
            assert_eq!((found.version.as_deref(), found.etag.as_str()), (version, etag));
        };
        check(json!({ "key": "k", "eTag": "\"e\"", "versionId": "v" }), Some("v"), "e");
        check(json!({ "key": "k", "eTag": "e", "versionId": "null" }), None, "e");
        check(json!({ "key": "k", "size": 0, "eTag": "e" }), None, "e");
        assert!(read(&record("ObjectCreated:Put", json!({ "key": "k" }))).is_err());
    }

    #[test]
    fn what_is_no_upload_is_ignored_by_name() {
        let check = |message: &str, why| assert_eq!(one(message), Notice::Ignored(why), "{message}");
        check(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#, "test-event");
        check(&record("ObjectCreated:Put", json!({ "key": "folder/", "size": 0, "eTag": "e" })), "folder-marker");
        check(&record("LifecycleExpiration:Delete", json!({ "key": "k" })), "lifecycle");
        check(&record("ObjectTagging:Put", json!({ "key": "k", "eTag": "e" })), "other-event");
    }

    #[test]
    fn deletes_say_what_is_gone() {
        let gone = |version: Option<&str>| Notice::Removed {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            version: version.map(str::to_owned),
            sequencer: None,
        };
        assert_eq!(one(&record("ObjectRemoved:Delete", json!({ "key": "k" }))), gone(None));
        assert_eq!(one(&record("ObjectRemoved:Delete", json!({ "key": "k", "versionId": "v" }))), gone(Some("v")));
        let marker = json!({ "key": "k", "versionId": "of the marker" });
        assert_eq!(one(&record("ObjectRemoved:DeleteMarkerCreated", marker)), gone(None));
    }

    #[test]
    fn envelopes_are_opened() {
        let inner = record("ObjectCreated:Put", json!({ "key": "a+b", "eTag": "e" }));
        let sns = json!({ "Type": "Notification", "Message": inner }).to_string();
        assert_eq!(read(&sns).unwrap(), read(&inner).unwrap());
        let detail = json!({ "bucket": { "name": "b" }, "object": { "key": "a+b", "etag": "e", "version-id": "v" } });
        let bridge = json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": detail }).to_string();
        let Notice::Created(object, _) = one(&bridge) else { panic!("{bridge}") };
        assert_eq!((object.key.as_str(), object.version.as_deref()), ("a+b", Some("v")), "its keys are plain");
        for nonsense in ["", "Test message.", "{}", r#"{"Records":[{}]}"#, r#"{"Type":"Notification","Message":"hi"}"#]
        {
            assert_eq!(read(nonsense).unwrap_err().kind(), Kind::InvalidRequest, "{nonsense}");
        }
    }
}
