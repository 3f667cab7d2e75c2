//! The rows of the table: their keys, their attributes, and what is in them.
//!
//! | row | pk | sk |
//! |---|---|---|
//! | a request, with its event while that is not published | `req#ID` | `req` |
//! | an analysis | `ana#DIGEST#FEATURES` | `PROVIDER#MODEL` |
//! | a request that stands on an analysis | `ref#` and the analysis's key | `ID` |
//! | a request about an object, and when that was created, where deleting it is to erase the request | `obj#BUCKET/KEY` | `ID` |
//! | that a processor has settled an event | `img#ID` | `done#PROCESSOR#EVENT` |
//! | what processors know about an image; the decision also knows its place on the review list | `img#ID` | `fact#KIND` |
//! | a processor's event, while it is not published | `img#ID` | `evt#EVENT` |
//! | a line of the audit log | `img#ID` | `audit#MICROSECONDS#PROCESSOR#EVENT#N` |
//! | an image that waits for a person | `review` | `MICROSECONDS#ID` |
//! | a phrase in a language | `phr#LANGUAGE` | the phrase |
//! | a vector of a face, kept or being added | `face#OWNER` | `vec#COLLECTION#MARK` |
//! | that an owner has agreed to faces being kept | `face#OWNER` | `consent` |
//! | what was noted about a request for faces | `face#OWNER` | `note#MARK` |

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use common::{
    analysis::{DetectorId, Features},
    error::{Result, internal},
    event::Topic,
    faces::{Collection, Mark},
    image::Digest,
    message::Owner,
    moderation::AuditLine,
    request::{ImageId, ObjectRef},
    translation::Language,
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::{Timestamp, civil::Date};
use serde::{Serialize, de::DeserializeOwned};

use super::fault::too_large;

/// Longer values are compressed: a page of text shrinks to a tenth, and a write costs by the kilobyte.
const PLAIN_BYTES: usize = 16 * 1024;
/// The most that a value may have, so that a row keeps below the 400 KB that DynamoDB allows
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const MOST_BYTES: usize = 360_000;

const REQUEST: &str = "req";
/// The partition of the review list.
pub(super) const REVIEW: &str = "review";
/// How the rows of an image's partition begin that are asked for together.
pub(super) const FACT: &str = "fact#";
pub(super) const AUDIT: &str = "audit#";
/// The longest phrase that stands in a key as it is, in bytes; a sort key may have 1,024
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const PHRASE_BYTES: usize = 512;

/// A row as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// What finds a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn request(id: &ImageId) -> Self {
        Self { pk: format!("{REQUEST}#{id}"), sk: REQUEST.to_owned() }
    }

    pub(super) fn analysis(digest: Digest, features: &Features, detector: &DetectorId) -> Self {
        Self { pk: Self::analyses(digest, features), sk: format!("{}#{}", detector.provider, detector.model) }
    }

    /// The partition of all analyses of the same bytes for the same features.
    pub(super) fn analyses(digest: Digest, features: &Features) -> String {
        format!("ana#{}#{features}", digest.hex())
    }

    /// That `id` stands on this analysis.
    pub(super) fn reference(&self, id: &ImageId) -> Self {
        Self { pk: self.references(), sk: id.to_string() }
    }

    /// The partition of all that stand on this analysis.
    pub(super) fn references(&self) -> String {
        format!("ref#{}#{}", self.pk, self.sk)
    }

    /// That `id` is about the object `BUCKET/KEY`.
    pub(super) fn object(object: &str, id: &ImageId) -> Self {
        Self { pk: Self::objects(object), sk: id.to_string() }
    }

    /// The partition of all requests about the object `BUCKET/KEY`.
    pub(super) fn objects(object: &str) -> String {
        format!("obj#{object}")
    }

    /// The partition of what processors leave behind about an image.
    pub(super) fn image(id: &str) -> String {
        format!("img#{id}")
    }

    /// That a processor has settled an event. The image is the first half of the event's own name.
    pub(super) fn mark(processor: &str, event_id: &str) -> Self {
        let image = event_id.split_once(':').map_or(event_id, |(image, _kind)| image);
        Self { pk: Self::image(image), sk: format!("done#{processor}#{event_id}") }
    }

    /// The newest of its kind that is known about an image.
    pub(super) fn fact(id: &ImageId, topic: Topic) -> Self {
        Self { pk: Self::image(id.as_str()), sk: format!("{FACT}{}", topic.kind()) }
    }

    /// A processor's event that is not yet published.
    pub(super) fn event(id: &str, event_id: &str) -> Self {
        Self { pk: Self::image(id), sk: format!("evt#{event_id}") }
    }

    /// The `n`th line that a processor adds to the audit log for one event.
    pub(super) fn audit(line: &AuditLine, processor: &str, event_id: &str, n: usize) -> Self {
        let sk = format!("{AUDIT}{:016}#{processor}#{event_id}#{n:02}", line.at.as_microsecond());
        Self { pk: Self::image(line.id.as_str()), sk }
    }

    /// A place on the review list.
    pub(super) fn review(since: Timestamp, id: &ImageId) -> Self {
        Self::review_place(&format!("{:016}#{id}", since.as_microsecond()))
    }

    /// The place on the review list that a decision remembers.
    pub(super) fn review_place(sk: &str) -> Self {
        Self { pk: REVIEW.to_owned(), sk: sk.to_owned() }
    }

    pub(super) fn phrase(language: &Language, phrase: &str) -> Self {
        let pk = format!("phr#{language}");
        // No text of that length is a phrase, but a detector may say anything; an empty key is refused.
        let plain = !phrase.is_empty() && phrase.len() <= PHRASE_BYTES && !phrase.starts_with("sha256:");
        let sk = if plain { phrase.to_owned() } else { Digest::of(phrase.as_bytes()).to_string() };
        Self { pk, sk }
    }

    /// What is known of a person's number.
    pub(super) fn number(owner: &Owner) -> Self {
        Self { pk: format!("num#{owner}"), sk: "num".to_owned() }
    }

    /// What went to the number on one day.
    pub(super) fn number_day(owner: &Owner, day: Date) -> Self {
        Self { pk: format!("num#{owner}"), sk: format!("day#{day}") }
    }

    /// How the sending of a reply goes.
    pub(super) fn reply(reply: &str) -> Self {
        Self { pk: format!("sms#{reply}"), sk: "sms".to_owned() }
    }

    /// That a reply was sent under this name of the carrier's.
    pub(super) fn receipt(receipt: &str) -> Self {
        Self { pk: format!("rcp#{receipt}"), sk: "rcp".to_owned() }
    }

    pub(super) fn vector(collection: &Collection, mark: &Mark) -> Self {
        let (pk, begin) = Self::vectors(collection);
        Self { pk, sk: format!("{begin}{}", mark.as_str()) }
    }

    /// The partition of a collection's vectors, and how their rows begin there. No collection's name holds a `#`.
    pub(super) fn vectors(collection: &Collection) -> (String, String) {
        (Self::owned(&collection.owner), format!("vec#{}#", collection.name))
    }

    pub(super) fn consent(owner: &Owner) -> Self {
        Self { pk: Self::owned(owner), sk: "consent".to_owned() }
    }

    pub(super) fn note(owner: &Owner, request: &Mark) -> Self {
        let (pk, begin) = Self::notes(owner);
        Self { pk, sk: format!("{begin}{}", request.as_str()) }
    }

    /// The partition of an owner's notes, and how their rows begin there.
    pub(super) fn notes(owner: &Owner) -> (String, String) {
        (Self::owned(owner), "note#".to_owned())
    }

    fn owned(owner: &Owner) -> String {
        format!("face#{owner}")
    }

    pub(super) fn item(&self) -> Item {
        HashMap::from([("pk".to_owned(), text(&self.pk)), ("sk".to_owned(), text(&self.sk))])
    }
}

/// A row that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Row(pub(super) Item);

impl Row {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok())
    }

    /// Reads what [`packed`] made.
    pub(super) fn unpacked<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(json)) => serde_json::from_str(json).map(Some).map_err(internal),
            Some(AttributeValue::B(bytes)) => {
                let mut json = String::new();
                GzDecoder::new(bytes.as_ref()).read_to_string(&mut json).map_err(internal)?;
                serde_json::from_str(&json).map(Some).map_err(internal)
            }
            Some(_) => Err(internal(format!("the attribute {name} is neither text nor bytes"))),
        }
    }

    /// The analysis that a request stands on.
    pub(super) fn analysis(&self) -> Option<Key> {
        let (pk, sk) = (self.text("ana_pk")?, self.text("ana_sk")?);
        Some(Key { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    /// Whether a request has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.has("ana_pk") || self.has("failure_json")
    }

    pub(super) fn key(&self) -> Option<Key> {
        let (pk, sk) = (self.text("pk")?, self.text("sk")?);
        Some(Key { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    /// The id of a request's row.
    pub(super) fn id(&self) -> Option<ImageId> {
        self.text("pk")?.strip_prefix(REQUEST)?.strip_prefix('#')?.parse().ok()
    }
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A value as JSON, compressed where it is long; `too-large` where it is too long even so.
pub(super) fn packed(value: &impl Serialize) -> Result<AttributeValue> {
    let json = serde_json::to_string(value).map_err(internal)?;
    if json.len() <= PLAIN_BYTES {
        return Ok(AttributeValue::S(json));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json.as_bytes()).map_err(internal)?;
    let bytes = encoder.finish().map_err(internal)?;
    if bytes.len() > MOST_BYTES {
        let said = format!("{} bytes of JSON, {} compressed", json.len(), bytes.len());
        return Err(too_large().because(said));
    }
    Ok(AttributeValue::B(Blob::new(bytes)))
}

/// `BUCKET/KEY` of a source in a bucket. A `versionId` is the one query that such a source has.
pub(super) fn object_of(source: Option<&str>) -> Option<String> {
    let object = ObjectRef::of_source(source.filter(|source| source.starts_with("s3://"))?)?;
    Some(format!("{}/{}", object.bucket, object.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_compressed_and_come_back() {
        for length in [0, PLAIN_BYTES - 2, PLAIN_BYTES - 1, 2_000_000] {
            let value = "word ".repeat(length / 5 + 1)[..length].to_owned();
            let attribute = packed(&value).unwrap();
            assert_eq!(attribute.is_b(), length + 2 > PLAIN_BYTES, "{length}");
            let row = Row(HashMap::from([("body".to_owned(), attribute)]));
            assert_eq!(row.unpacked::<String>("body").unwrap(), Some(value));
        }
    }

    #[test]
    fn what_does_not_fit_is_too_large_for_good() {
        let mut seed = 7_u64;
        let noise: Vec<u64> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed
        })
        .take(100_000)
        .collect();
        let error = packed(&noise).unwrap_err();
        assert_eq!((error.kind(), error.is_permanent()), (common::error::Kind::TooLarge, true));
    }

    #[test]
    fn objects_are_told_from_other_sources() {
        let check = |source: Option<&str>, object: Option<&str>| assert_eq!(object_of(source).as_deref(), object);
        check(Some("s3://bucket/a/b c.jpg"), Some("bucket/a/b c.jpg"));
        check(Some("s3://bucket/a?b.jpg?versionId=v.1"), Some("bucket/a?b.jpg"));
        check(Some("https://example.com/s3://a/b"), None);
        check(None, None);
    }
}
