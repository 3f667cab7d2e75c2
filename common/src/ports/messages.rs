//! What the messages of people need to be remembered: per number, under what stands for it, and per reply.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{error::Result, message::Owner, request::ImageId};

/// What is left of a text that was too long for one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// What the text answers.
    pub of: ImageId,
    /// How many parts of it were sent, from 1.
    pub parts: u32,
    /// What was not.
    pub text: String,
}

/// What is known about a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it wants no messages.
    pub stopped: bool,
    /// Messages that went to it on the day that was asked about.
    pub today: u32,
    /// What it may still ask for.
    pub rest: Option<Rest>,
}

/// What is remembered about numbers.
///
/// # Behavior
/// - Who was never heard of has a [`Standing::default`].
/// - `stop` is durable before it returns, and lasts until it is taken back; doing either twice changes nothing.
/// - Every call of `count` counts, whoever else counts at the same time; each day begins at 0.
#[async_trait]
pub trait Numbers: Send + Sync {
    /// What is known about a number, with what it was sent on this day in UTC.
    async fn standing(&self, owner: &Owner, day: Date) -> Result<Standing>;

    /// Takes down that a number wants no messages, or wants them again.
    async fn stop(&self, owner: &Owner, stopped: bool) -> Result<()>;

    /// Counts one message that went to the number by another way than [`Replies`].
    async fn count(&self, owner: &Owner, day: Date) -> Result<()>;
}

/// What a reply finds before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The caller sends it, and nobody has before.
    First,
    /// The caller sends it, but somebody tried at this time and did not say how that ended: whether it went out has to be found
    /// out first.
    Again(Timestamp),
    /// Somebody sends it; this much of the lease is left.
    Busy(Duration),
    /// It was sent.
    Sent,
    /// The number wants no messages.
    Stopped,
    /// The number has had as many messages as it may have on one day.
    Capped,
}

/// How the sending of a reply ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It certainly did not go out.
    Unsent,
    /// Nobody knows.
    Unclear,
    /// It went out.
    Sent {
        /// The carrier's name for the message.
        receipt: String,
        /// What was too long for it: `None` leaves what is remembered, `Some(None)` takes it away.
        rest: Option<Option<Rest>>,
    },
}

/// Who sends a reply, and how that ended.
///
/// # Behavior
/// - Of any number of `begin`s of one reply one at a time is allowed to send, until its lease ends or it said how it ended; once it
///   is sent, none is.
/// - A reply counts once on its number's day, however often it is begun; `cap` holds for new ones only, and no more than `cap` are
///   begun on a day, also at the same time.
/// - `Unsent` makes the next `begin` the first again; `Unclear`, or a lease that ran out, makes it `Again` with the time of the
///   first try whose end is not known.
/// - A receipt is known from the moment that its reply is sent.
#[async_trait]
pub trait Replies: Send + Sync {
    /// Tries to become the one who sends the reply of this id.
    async fn begin(&self, reply: &str, owner: &Owner, day: Date, cap: u32, lease: Duration) -> Result<Begun>;

    /// Says how it ended.
    async fn end(&self, reply: &str, owner: &Owner, ended: &Ended) -> Result<()>;

    /// Whether a reply was sent under this name of the carrier's.
    async fn is_receipt(&self, receipt: &str) -> Result<bool>;
}
