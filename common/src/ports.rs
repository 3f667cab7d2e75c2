//! What the pipeline needs from the outside, in the domain's words. No provider's type crosses a port.
//!
//! Each trait lists its behaviour; `suites` holds one test of that list per port, and every implementation runs it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;

use crate::{
    analysis::{Analysis, Detection, DetectorId, Features},
    error::Result,
    event::{Event, Failure},
    image::{Digest, Image},
    request::{Accepted, ImageId, ImageSource, Query},
};

mod downstream;
mod faces;
mod messages;
pub mod suites;

pub use downstream::{
    Dossier, Dossiers, Journal, OWN_TAGS, Originals, Phrases, Reviews, Screen, Settled, Settlement, Unscreened,
};
pub use faces::{Adding, Biographies, Collections, Consents, Faces, Notes, Portraits, Vectors};
pub use messages::{Begun, Ended, Numbers, Replies, Rest, Standing};

/// Opens an image source.
///
/// # Behavior
/// - Returns the original bytes, all of them, or an error: never a part.
/// - Stops reading at the byte limit (`too-large`) and at its time limit (`source-unavailable`).
/// - A source that says "there is none" is `source-not-found`, permanent.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Source to bytes.
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes>;
}

/// Answers what is in an image.
///
/// # Behavior
/// - A feature that it cannot tell is in `unsupported`; "nothing found" is an empty list.
/// - Labels come best first, at most [`crate::analysis::MAX_LABELS`] of them, scores within 0 to 1.
/// - Cancelling the call leaves nothing behind.
#[async_trait]
pub trait Detect: Send + Sync {
    /// Who would answer, where that is known without asking; `None` where it may be one of several.
    fn id(&self) -> Option<DetectorId>;

    /// Image to findings.
    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection>;
}

/// Says who we are to whoever is asked.
///
/// # Behavior
/// - Answers from memory while a token is valid, and renews it early; a token that is over is never given out.
/// - A failure is not remembered: the next call asks anew.
#[async_trait]
pub trait Identity: Send + Sync {
    /// A bearer token.
    async fn token(&self) -> Result<SecretString>;
}

/// The right to work on one request, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The request.
    pub id: ImageId,
    /// Proves the claim when the result is recorded.
    pub token: String,
}

/// What is known about a request.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// A 202 was given, the work is to come or under way.
    Pending,
    /// The analysis is there.
    Done(Box<Analysis>),
    /// It was given up.
    Failed(Failure),
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// The caller works on it now.
    Won(Claim),
    /// Somebody has done it.
    Done(Box<Analysis>),
    /// Somebody gave it up for good.
    Failed(Failure),
    /// Somebody works on it; ask again after this long at the most.
    Busy(Duration),
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With an analysis.
    Done(Box<Analysis>),
    /// It was given up.
    Failed(Failure),
}

/// Who works on which request, and how it ended.
///
/// # Behavior
/// - Of any number of concurrent claims on one id exactly one wins until it expires, is released or recorded.
/// - A recorded request is never won again, except one recorded without an event when an event is wanted.
/// - `record` writes the outcome, the reusable analysis and the event in one transaction, and only while the claim's token
///   is the current one: a claim that was lost is `unavailable` and changes nothing.
/// - `record` is given all labels that the detector gave, for reuse; what is answered about the id (here, by `state` and by
///   `page`) holds the best `max_labels` of its query.
/// - `release` lets the next claim win at once; releasing a lost claim changes nothing.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Tries to become the one who works on `id`, for `lease` at the most.
    async fn claim(&self, id: &ImageId, lease: Duration, wants_event: bool) -> Result<Claimed>;

    /// Ends a claim on what `query` asked with its outcome and the event that says so.
    async fn record(&self, claim: &Claim, query: &Query, outcome: Outcome, event: Option<&Event>) -> Result<()>;

    /// Gives a claim back.
    async fn release(&self, claim: &Claim) -> Result<()>;
}

/// The promises of 202.
///
/// # Behavior
/// - `accept` is durable before it returns; accepting what is already known changes nothing.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Remembers what was asked about the bytes that will lie under `inbox/{id}`.
    async fn accept(&self, accepted: &Accepted) -> Result<()>;

    /// What was asked about `inbox/{id}`.
    async fn accepted(&self, id: &ImageId) -> Result<Option<Accepted>>;
}

/// Events that are recorded and not yet published.
///
/// # Behavior
/// - An event stays until `published` names it; naming it twice changes nothing.
/// - `unpublished` gives the oldest first.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Up to `limit` events that were recorded at least `age` ago.
    async fn unpublished(&self, age: Duration, limit: usize) -> Result<Vec<Event>>;

    /// Takes the event out.
    async fn published(&self, event_id: &str) -> Result<()>;
}

/// One page of analyses.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub analyses: Vec<Analysis>,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}

/// The analyses that are kept.
///
/// # Behavior
/// - `reusable` finds the newest analysis of the same bytes for exactly these features, by this detector or, without one, by
///   any; whoever asked for it. A change of model is a new detector, so it is asked anew.
/// - `state` knows every request that was accepted or recorded and not erased.
#[async_trait]
pub trait Archive: Send + Sync {
    /// An earlier answer for the same bytes.
    async fn reusable(
        &self,
        digest: Digest,
        features: &Features,
        detector: Option<&DetectorId>,
    ) -> Result<Option<Analysis>>;

    /// What is known about a request.
    async fn state(&self, id: &ImageId) -> Result<Option<State>>;
}

/// Looking analyses up.
///
/// # Behavior
/// - `page` gives the analyses that hold `label` (any case; all of them without one), newest first, each once over all pages.
#[async_trait]
pub trait Index: Send + Sync {
    /// One page, 1 to 100 analyses.
    async fn page(&self, label: Option<&str>, cursor: Option<&str>, limit: usize) -> Result<Page>;
}

/// Erasing.
///
/// # Behavior
/// - `erase` removes the request, its events that are not yet published, and the analysis unless another request stands on
///   it; it says whether there was anything. Erasing twice is no error.
/// - Work that was erased under way is not recorded.
#[async_trait]
pub trait Erase: Send + Sync {
    /// Forgets a request.
    async fn erase(&self, id: &ImageId) -> Result<bool>;
}

/// Tells everybody who waits.
///
/// # Behavior
/// - Durable before it returns; one answer for each event, in their order, so that one that fails does not hide the others.
/// - Publishing the same event id twice on one topic delivers it once where the topic can tell, and with the same identity
///   everywhere.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Events to their topics.
    async fn publish(&self, events: &[Event]) -> Vec<Result<()>>;
}

/// Keeps derived objects.
///
/// # Behavior
/// - `put` is durable before it returns, replaces what was there, and never shows half of it.
/// - A key that would leave the bucket is `invalid-request`.
/// - Removing what is not there is no error.
#[async_trait]
pub trait Store: Send + Sync {
    /// Key to bytes.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// Removes the object.
    async fn remove(&self, key: &str) -> Result<()>;
}
