//! What processors need from the outside: remembering what they have done, the policy's say before a detector is asked, and
//! hands on the originals.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::{
    analysis::Features,
    error::Result,
    event::Event,
    image::Digest,
    moderation::{AuditLine, Moderation, ReviewItem},
    request::{ImageId, ObjectRef},
    translation::{Language, Phrase, Translations},
};

/// What a processor leaves behind about one event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// To be published; each is also the newest of its kind that is known about its image.
    pub events: Vec<Event>,
    /// For the audit log.
    pub audit: Vec<AuditLine>,
    /// Set where a person has to look. An event in `events` that says what was decided about an image takes that image off
    /// the list otherwise.
    pub review: Option<ReviewItem>,
}

/// How settling went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was done before; nothing has changed.
    Before,
    /// It counts, and its events wait in [`super::Outbox`].
    Recorded,
    /// It counts, and its events were published with it.
    Told,
}

/// What processors have done, once per processor and event.
///
/// # Behavior
/// - `settle` writes the mark, the events, the audit lines and the place on the review list in one transaction; of any number
///   of calls for one processor and event exactly one counts, and the others change nothing.
/// - Events of a settlement are in [`super::Outbox`] until they are published, unless they are published in the transaction.
/// - Erasing an image erases its marks, what is known about it and its place on the review list; audit lines stay.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Whether this processor has settled this event.
    async fn is_settled(&self, processor: &str, event_id: &str) -> Result<bool>;

    /// Settles an event about `image`.
    async fn settle(
        &self,
        processor: &str,
        event_id: &str,
        image: &ImageId,
        settlement: &Settlement,
    ) -> Result<Settled>;
}

/// What processors have found out about an image by now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dossier {
    /// The newest decision.
    pub moderation: Option<Moderation>,
    /// The newest translations.
    pub translations: Option<Translations>,
}

/// Looking up what processors have found out.
///
/// # Behavior
/// - Knows what was settled as soon as it was.
#[async_trait]
pub trait Dossiers: Send + Sync {
    /// What is known about an image; empty where nothing is.
    async fn dossier(&self, id: &ImageId) -> Result<Dossier>;
}

/// Images that wait for a person, and what was decided so far.
///
/// # Behavior
/// - `waiting` gives the oldest first.
/// - `audit` gives the newest first.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Up to `limit` images that wait.
    async fn waiting(&self, limit: usize) -> Result<Vec<ReviewItem>>;

    /// Up to `limit` lines of the audit log about this image.
    async fn audit(&self, id: &ImageId, limit: usize) -> Result<Vec<AuditLine>>;
}

/// The dictionary: what was translated once is not paid for again.
///
/// # Behavior
/// - `keep` is durable before it returns; the first translation of a phrase by a service stays.
#[async_trait]
pub trait Phrases: Send + Sync {
    /// Those of these phrases that are known in this language.
    async fn known(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, Phrase>>;

    /// Remembers phrases in this language.
    async fn keep(&self, language: &Language, phrases: &BTreeMap<String, Phrase>) -> Result<()>;
}

/// Hands on the originals in a bucket of ours.
///
/// # Behavior
/// - `tag` replaces the tags whose names begin with [`OWN_TAGS`] and keeps all others; an object that is gone is
///   `source-not-found`. Where objects have no tags it does nothing.
/// - `hold` keeps the original from everybody but reviewers, `release` undoes that; doing either twice changes nothing, and an
///   object that is gone is no error.
#[async_trait]
pub trait Originals: Send + Sync {
    /// Writes our tags.
    async fn tag(&self, object: &ObjectRef, tags: &BTreeMap<String, String>) -> Result<()>;

    /// Takes the original out of sight.
    async fn hold(&self, object: &ObjectRef) -> Result<()>;

    /// Brings it back.
    async fn release(&self, object: &ObjectRef) -> Result<()>;
}

/// How the names of our tags begin.
pub const OWN_TAGS: &str = "crosslens-";

/// What the operator's policy says before any detector is asked.
pub trait Screen: Send + Sync {
    /// Asked about every image, whatever the caller wants; `None` where no policy is in force.
    fn features(&self) -> Option<Features>;

    /// Whether pictures with these bytes are not to be looked at.
    fn denies(&self, digest: Digest) -> bool;

    /// Whether every image is told about, whatever the caller wants, so that nobody gets around moderation.
    fn tells_all(&self) -> bool;
}

/// No policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unscreened;

impl Screen for Unscreened {
    fn features(&self) -> Option<Features> {
        None
    }

    fn denies(&self, _: Digest) -> bool {
        false
    }

    fn tells_all(&self) -> bool {
        false
    }
}
