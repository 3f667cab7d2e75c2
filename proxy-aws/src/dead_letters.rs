//! What the queues gave up, listed and brought back.
//!
//! A message is sent to its queue first and taken out of the dead letters after that: whatever interrupts a replay, nothing
//! is lost, and what is delivered twice the ledger forgives.

mod about;
mod queue;
mod replay;

use std::collections::HashMap;

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName},
};
use common::error::Result;
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::about::decoded;
pub use self::replay::Replay;

/// A dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    sqs: Client,
    url: String,
}

/// One message that was given up. Why is not in it: the logs of its last receive know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// SQS's id of the message.
    pub id: String,
    /// What it is about, as `s3://bucket/key`; `None` for a message of another kind.
    pub about: Option<String>,
    /// How often it was received.
    pub receives: u32,
    /// When it was first sent.
    pub sent: Option<Timestamp>,
}

impl DeadLetters {
    /// The dead-letter queue at this URL.
    pub fn new(sqs: Client, url: String) -> Self {
        Self { sqs, url }
    }

    /// Up to `limit` of its messages, oldest first; they stay where they are. SQS may hold a message back for a moment, so
    /// that a list may miss one that another program looks at.
    pub async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        // By id, because a slow listing may see a message twice.
        let mut seen: HashMap<String, (DeadLetter, String)> = HashMap::new();
        while seen.len() < limit {
            let messages = self.receive().await?;
            let before = seen.len();
            for message in messages {
                let letter = DeadLetter::of(&message);
                let receipt = message.receipt_handle.unwrap_or_default();
                seen.insert(letter.id.clone(), (letter, receipt));
            }
            if seen.len() == before {
                break;
            }
        }
        let (mut letters, receipts): (Vec<_>, Vec<_>) = seen.into_values().unzip();
        self.put_back(receipts).await?;
        letters.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
        letters.truncate(limit);
        Ok(letters)
    }
}

impl DeadLetter {
    fn of(message: &Message) -> Self {
        let number = |name| attribute(message, &name).and_then(|text| text.parse::<i64>().ok());
        let receives = number(MessageSystemAttributeName::ApproximateReceiveCount);
        let sent = number(MessageSystemAttributeName::SentTimestamp);
        Self {
            id: message.message_id.clone().unwrap_or_default(),
            about: about::object(message.body.as_deref().unwrap_or_default()),
            receives: receives.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            sent: sent.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok()),
        }
    }
}

fn attribute<'a>(message: &'a Message, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}
