//! Writing back: what is known about an object is put beside it as JSON, its labels and verdict onto it as tags, and what
//! nobody shall see out of sight.
//!
//! Labels, translations and verdict come in any order, and several writers may be at work on one object. Each writes all that
//! is known and then looks again: whoever writes last has either seen everything or writes once more.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    analysis::Analysis,
    derived::sidecar_key,
    error::{Error, Kind, Result, internal},
    event::{Event, Payload, Topic},
    image::Digest,
    moderation::Moderation,
    ports::{Archive, Dossier, Dossiers, Fetch, Originals, Settlement, State, Store},
    request::{ImageId, ImageSource, ObjectRef},
};
use serde_json::json;
use tracing::{error, info};

use crate::Processor;

/// The tag with the verdict: what a bucket's policy may go by.
pub const VERDICT_TAG: &str = "crosslens-verdict";
/// The tag with the labels.
pub const LABELS_TAG: &str = "crosslens-labels";
/// The tag with the id that everything is looked up by.
pub const ID_TAG: &str = "crosslens-id";
/// The most characters of a tag's value
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>).
const TAG_LENGTH: usize = 256;
/// How often one event's worker writes again because somebody else found something out meanwhile.
const ROUNDS: usize = 8;

/// Writes back. Images that are no objects of a bucket of ours have nothing to write to.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct WriteBack {
    pub archive: Arc<dyn Archive>,
    pub dossiers: Arc<dyn Dossiers>,
    pub fetch: Arc<dyn Fetch>,
    pub store: Arc<dyn Store>,
    pub originals: Arc<dyn Originals>,
}

/// Everything that is known about an image.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    analysis: Option<Box<Analysis>>,
    problem: Option<String>,
    dossier: Dossier,
}

#[async_trait]
impl Processor for WriteBack {
    fn name(&self) -> &str {
        "write-back"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::ImageLabelled, Topic::ImageFailed, Topic::ImageModerated, Topic::LabelsTranslated]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        let Some(object) = source(event).and_then(ObjectRef::of_source) else { return Ok(Settlement::default()) };
        let id = event.image();
        let mut known = self.known(id).await?;
        if !self.is_still(&object, &known).await? {
            info!(image.id = %id, "the object is gone or another by now, nothing is written back");
            return Ok(Settlement::default());
        }
        for _ in 0..ROUNDS {
            self.write(id, &object, &known, matches!(event.data, Payload::Moderated(_))).await?;
            let now = self.known(id).await?;
            if now == known {
                return Ok(Settlement::default());
            }
            known = now;
        }
        Err(Error::new(Kind::Unavailable, "more is found out about the image than is written back; try again"))
    }
}

impl WriteBack {
    async fn known(&self, id: &ImageId) -> Result<Known> {
        let dossier = self.dossiers.dossier(id).await?;
        let (analysis, problem) = match self.archive.state(id).await? {
            Some(State::Done(analysis)) => (Some(analysis), None),
            Some(State::Failed(failure)) => (None, Some(failure.problem)),
            Some(State::Pending) | None => (None, None),
        };
        Ok(Known { analysis, problem, dossier })
    }

    /// Whether the key still holds the bytes that all this is about. A version always does.
    async fn is_still(&self, object: &ObjectRef, known: &Known) -> Result<bool> {
        let digest = known.analysis.as_ref().map(|analysis| analysis.digest);
        let digest = digest.or_else(|| known.dossier.moderation.as_ref().and_then(|moderation| moderation.digest));
        let Some(digest) = digest.filter(|_| object.version.is_none()) else { return Ok(true) };
        match self.fetch.fetch(&ImageSource::Object(object.clone())).await {
            Ok(bytes) => Ok(Digest::of(&bytes) == digest),
            Err(error) if error.is_permanent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this lies under the key already: what came in between was written by others with all that is known.
    async fn holds(&self, object: &ObjectRef, key: &str, text: &[u8]) -> Result<bool> {
        let bucket = object.bucket.clone();
        let sidecar = ObjectRef { bucket, key: key.to_owned(), version: None, etag: String::new() };
        match self.fetch.fetch(&ImageSource::Object(sidecar)).await {
            Ok(bytes) => Ok(bytes == text),
            Err(error) if error.is_permanent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, id: &ImageId, object: &ObjectRef, known: &Known, decided: bool) -> Result<()> {
        let Known { analysis, problem, dossier: Dossier { moderation, translations } } = known;
        let sidecar = json!({
            "id": id, "analysis": analysis, "problem": problem, "moderation": moderation, "translations": translations,
        });
        let text = serde_json::to_vec_pretty(&sidecar).map_err(internal)?;
        let key = sidecar_key(object);
        if !self.holds(object, &key, &text).await? {
            self.store.put(&key, Bytes::from(text)).await?;
        }
        let Some(moderation) = moderation.as_ref().filter(|_| decided) else { return Ok(()) };
        match self.originals.tag(object, &tags(analysis.as_deref(), moderation)).await {
            // Deleted meanwhile: nobody sees it any more.
            Err(error) if error.kind() == Kind::SourceNotFound => info!(image.id = %id, "gone, not tagged"),
            Err(error) if error.is_permanent() => {
                // The sidecar says it all the same, and a bucket whose policy goes by the tag shows nothing without it.
                error!(image.id = %id, %error, cause = error.causes(), "cannot tag the object; check this function's rights");
            }
            tagged => tagged?,
        }
        if moderation.verdict.holds() {
            self.originals.hold(object).await
        } else {
            self.originals.release(object).await
        }
    }
}

fn source(event: &Event) -> Option<&str> {
    match &event.data {
        Payload::Labelled(analysis) => analysis.source.as_deref(),
        Payload::Failed(failure) => failure.source.as_deref(),
        Payload::Moderated(moderation) => moderation.source.as_deref(),
        Payload::Translated(translations) => translations.source.as_deref(),
        Payload::Requested(_) | Payload::Replied(_) => None,
    }
}

/// Our tags, with as many whole labels as fit.
fn tags(analysis: Option<&Analysis>, moderation: &Moderation) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        (VERDICT_TAG.to_owned(), moderation.verdict.name().to_owned()),
        (ID_TAG.to_owned(), moderation.id.to_string()),
    ]);
    let mut labels = String::new();
    for label in analysis.iter().flat_map(|analysis| analysis.findings.labels.iter().flatten()) {
        let slash = if labels.is_empty() { "" } else { " / " };
        let longer = format!("{labels}{slash}{}", label.description);
        if longer.chars().count() > TAG_LENGTH {
            break;
        }
        labels = longer;
    }
    if !labels.is_empty() {
        tags.insert(LABELS_TAG.to_owned(), labels);
    }
    tags
}
