//! A carrier for a machine without an account: messages are kept where `crosslens message` reads them.

use async_trait::async_trait;
use common::{error::Result, request::ImageId};
use jiff::Timestamp;
use local::SqliteTopics;
use processors::messages::{Carrier, Outcome, Outgoing};
use serde::{Deserialize, Serialize};

/// The topic of what was sent. It is no topic of events, so that nobody else is told.
pub(crate) const SENT: &str = "message_sent";

/// A message that went to nobody's telephone.
#[derive(Serialize, Deserialize)]
pub(crate) struct SentMessage {
    /// What it answers.
    pub(crate) about: ImageId,
    /// Who it is for, under what stands for the number.
    pub(crate) owner: String,
    pub(crate) text: String,
}

/// Keeps messages.
pub(crate) struct Kept(pub(crate) SqliteTopics);

#[async_trait]
impl Carrier for Kept {
    async fn send(&self, message: &Outgoing) -> Outcome {
        let owner = message.to.owner().to_string();
        let sent = SentMessage { about: message.about.clone(), owner, text: message.text.clone() };
        // A topic takes one id once, so that even one of which nobody knew is there once.
        match self.0.send(SENT, &message.reply, &sent).await {
            Ok(()) => Outcome::Taken(format!("kept:{}", message.reply)),
            Err(error) => Outcome::NotTaken(error),
        }
    }

    async fn sent(&self, _: &Outgoing, _: Timestamp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
