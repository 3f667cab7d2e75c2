//! Who carries messages to people.

use std::fmt;

use async_trait::async_trait;
use common::{
    error::{Error, Result},
    message::PhoneNumber,
    request::ImageId,
};
use jiff::Timestamp;

/// A message to a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The id of the reply that it is.
    pub reply: String,
    /// What it answers.
    pub about: ImageId,
    /// Our number.
    pub from: PhoneNumber,
    /// Theirs.
    pub to: PhoneNumber,
    /// What it says; never empty.
    pub text: String,
}

/// Neither numbers nor what is said.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// The carrier has it, under this name.
    Taken(String),
    /// The carrier has not taken it. A permanent error will be the same next time.
    NotTaken(Error),
    /// The carrier says that this number wants no messages.
    Stopped,
    /// Nobody knows whether the carrier has it.
    Unclear(Error),
}

/// Carries messages.
///
/// # Behavior
/// - `send` sends once: it never repeats by itself what may have gone out.
/// - `sent` finds what `send` handed over, at the latest a few seconds after that.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands a message over.
    async fn send(&self, message: &Outgoing) -> Outcome;

    /// The carrier's names for messages with the same numbers and the same text that it has taken since then.
    async fn sent(&self, message: &Outgoing, since: Timestamp) -> Result<Vec<String>>;
}
