//! What is remembered of a backfill between its pages.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Bill, Source, Usage};

/// What is wanted of a job, and whether it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Objects are sent as long as a process holds the job.
    Running,
    /// It waits for `resume`.
    Paused,
    /// It was given up.
    Cancelled,
    /// Everything was sent.
    Done,
}

impl State {
    /// The word for people and the table.
    pub const fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Paused => "paused",
            State::Cancelled => "cancelled",
            State::Done => "done",
        }
    }

    /// Finds a state by its name.
    pub fn from_name(name: &str) -> Option<State> {
        [State::Running, State::Paused, State::Cancelled, State::Done].into_iter().find(|state| state.name() == name)
    }
}

/// What the operator chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// Sends what has an outcome as well; the ledger keeps the stack from paying for it again.
    pub all: bool,
    /// Only keys that end so; empty for all.
    pub suffixes: Vec<String>,
    /// The most that the estimate may reach, in US dollars.
    pub budget: Option<f64>,
    /// What the detector costs an image in US dollars, where it is not Google's list price.
    pub price_per_image: Option<f64>,
    /// Images a second at the most.
    pub rate: Option<u32>,
    /// Messages that may wait in the queue.
    pub ahead: u64,
    /// The manifest of an S3 Inventory to read instead of listing.
    pub inventory: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            all: false,
            suffixes: Vec::new(),
            budget: None,
            price_per_image: None,
            rate: None,
            ahead: 10_000,
            inventory: None,
        }
    }
}

/// Objects, by what was done about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All that were told.
    pub listed: u64,
    /// Sent to the queue; when counting, to be sent.
    pub sent: u64,
    /// Bytes of those that were sent.
    pub bytes: u64,
    /// Have an outcome already.
    pub known: u64,
    /// Hold nothing.
    pub empty: u64,
    /// Written by the pipeline itself.
    pub own: u64,
    /// Have another suffix than asked for.
    pub other_suffix: u64,
    /// Lie in an archive.
    pub archived: u64,
}

/// One backfill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// What `status`, `pause`, `resume` and `cancel` call it.
    pub name: String,
    /// Whose objects.
    pub source: Source,
    /// What the operator chose.
    pub options: Options,
    /// The position after the last object that was dealt with.
    pub cursor: Option<String>,
    /// What the first look found; `None` while it looks.
    pub total: Option<Counts>,
    /// How far it is.
    pub counts: Counts,
    /// What it has cost by now, estimated, in US dollars.
    pub spent: f64,
    /// How long it has been sending, in milliseconds, pauses left out.
    pub sending_ms: u64,
    /// When it was begun.
    pub begun: Timestamp,
}

impl Job {
    /// A job that has sent nothing.
    pub fn new(name: String, source: Source, options: Options) -> Self {
        Self {
            name,
            source,
            options,
            cursor: None,
            total: None,
            counts: Counts::default(),
            spent: 0.0,
            sending_ms: 0,
            begun: Timestamp::now(),
        }
    }

    /// What it costs to send these.
    pub fn bill(&self, counts: &Counts) -> Bill {
        Bill::new(
            &Usage { images: counts.sent, bytes: counts.bytes, listed: counts.listed },
            self.options.price_per_image,
        )
    }

    /// How long it will take at the pace so far; `waiting` were sent and are not labelled yet. `None` while nothing is known.
    pub fn time_left(&self, waiting: u64) -> Option<Duration> {
        let total = self.total?;
        let labelled = self.counts.sent.saturating_sub(waiting);
        let left = total.sent.saturating_sub(labelled);
        if left == 0 {
            return Some(Duration::ZERO);
        }
        if labelled == 0 || self.sending_ms == 0 {
            return None;
        }
        let per_image = self.sending_ms as f64 / labelled as f64;
        Some(Duration::from_millis((per_image * left as f64) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_what_is_not_labelled() {
        let mut job = Job::new("j".to_owned(), "s3://b".parse().unwrap(), Options::default());
        assert_eq!(job.time_left(0), None);
        job.total = Some(Counts { sent: 1000, ..Counts::default() });
        assert_eq!(job.time_left(0), None);
        job.counts.sent = 300;
        job.sending_ms = 10_000;
        assert_eq!(job.time_left(100), Some(Duration::from_secs(40)));
        job.counts.sent = 1000;
        assert_eq!(job.time_left(0), Some(Duration::ZERO));
    }

    #[test]
    fn states_have_names() {
        for state in [State::Running, State::Paused, State::Cancelled, State::Done] {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        assert_eq!(State::from_name("gone"), None);
    }
}
