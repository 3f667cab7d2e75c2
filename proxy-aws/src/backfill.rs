//! What is in a bucket already, enqueued for the stack to label. Only keys pass through the operator's machine, never a
//! picture, and memory does not grow with their number.
//!
//! # Layout, in reading order
//! `plan` says which objects are sent, `count` looks first, `run` sends them page by page and `sample` shows what the first of
//! them became; `job` is what is remembered between pages, `jobs` where. `listing` and `inventory` tell the objects, `queue`
//! takes them, `message` is what they look like there; `bill` is what it all costs.

mod bill;
mod count;
mod inventory;
mod job;
mod jobs;
mod known;
mod listing;
mod message;
mod pace;
mod plan;
mod queue;
mod run;
mod sample;
mod source;

use std::collections::HashSet;

use async_trait::async_trait;
use common::{
    error::Result,
    request::{ImageId, ObjectRef},
};

pub use self::{
    bill::{Bill, Line, Usage},
    count::count,
    inventory::Inventory,
    job::{Counts, Job, Options, State},
    jobs::{DynamoJobs, Seen},
    listing::S3Listing,
    queue::SqsQueue,
    run::{Ended, Run},
    sample::{Sample, WordCount},
    source::Source,
};

/// An object that a listing told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which object, as an event would name it.
    pub object: ObjectRef,
    /// Its size.
    pub bytes: u64,
    /// Whether it has to be brought back from an archive before it can be read.
    pub archived: bool,
    /// The position after it.
    pub after: String,
}

/// Some objects of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In the listing's order.
    pub objects: Vec<Listed>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// Tells all objects, from any position on.
///
/// # Behavior
/// - Each object that exists all along is told once over all pages, in its latest version; a page is at most about a thousand.
/// - A position stays good for days, in another process as well.
#[async_trait]
pub trait Listing: Send {
    /// The objects after a position; from the first one without.
    async fn page(&mut self, after: Option<&str>) -> Result<Page>;
}

/// Which requests have an outcome already.
///
/// # Behavior
/// - Knows analyses and failures alike; a request that somebody works on has no outcome.
#[async_trait]
pub trait Known: Send + Sync {
    /// Those of `ids` that have an outcome.
    async fn recorded(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>>;
}

/// Takes objects for the stack to label.
///
/// # Behavior
/// - `send` returns when all are safe in the queue; after an error some may be there.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Enqueues these objects.
    async fn send(&self, objects: &[Listed]) -> Result<()>;

    /// How many wait or are being worked on; approximate.
    async fn depth(&self) -> Result<u64>;
}

/// Remembers a job, so that it can be watched, stopped and gone on with from anywhere.
///
/// # Behavior
/// - Of any number of processes one at a time holds a job; one that stopped without a word loses it after a minute.
/// - `save` and `release` of a process that has lost the job change nothing and are `unavailable`.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Writes how far the job is, and returns what its operator wants of it meanwhile.
    async fn save(&self, job: &Job) -> Result<State>;

    /// Writes the job's last word and lets it go. Cancelled meanwhile, it stays cancelled.
    async fn release(&self, job: &Job, state: State) -> Result<()>;
}
