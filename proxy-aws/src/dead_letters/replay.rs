//! Bringing dead letters back to the queues they came from.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use common::error::{Error, Kind, Result};
use jiff::Timestamp;

use super::{DeadLetter, DeadLetters, attribute};

/// Which dead letters are brought back, and where to.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// At most so many.
    pub limit: Option<usize>,
    /// Only what is about objects whose key begins so.
    pub key: Option<String>,
    /// The URL of the queue for all of them, where it is not the one that each came from.
    pub queue: Option<String>,
}

/// Where messages are sent back to.
enum Queues {
    /// To this queue.
    Named(String),
    /// To the queue that each came from: the URLs of those that give messages up here.
    Sources(Vec<String>),
}

impl DeadLetters {
    /// Brings messages back, one by one, and tells each to `told` when it is back in its queue; returns how many. What fails
    /// again during the replay stays for the next one.
    pub async fn replay(&self, replay: &Replay, mut told: impl FnMut(&DeadLetter)) -> Result<usize> {
        let queues = match &replay.queue {
            Some(named) => Queues::Named(named.clone()),
            None => Queues::Sources(self.sources().await?),
        };
        let (begun, mut left, mut count) = (Timestamp::now(), Vec::new(), 0);
        let limit = replay.limit.unwrap_or(usize::MAX);
        let mut seen = std::collections::HashSet::new();
        let mut failed = None;
        'all: while count < limit {
            let messages = self.receive().await?;
            let mut news = false;
            for message in messages {
                let letter = DeadLetter::of(&message);
                let receipt = message.receipt_handle.clone().unwrap_or_default();
                // What is hidden from others for too long comes again, and is not new.
                news |= seen.insert(letter.id.clone());
                let again = letter.sent.is_some_and(|sent| sent > begun);
                if failed.is_some() || again || count >= limit || !replay.wants(&letter) {
                    left.push(receipt);
                    continue;
                }
                let back = async {
                    self.send_again(&message, queues.of(&message)?).await?;
                    self.remove(&receipt).await
                };
                match back.await {
                    Ok(()) => {
                        count += 1;
                        told(&letter);
                    }
                    Err(error) => {
                        left.push(receipt);
                        failed = Some(error);
                    }
                }
            }
            if !news || failed.is_some() {
                break 'all;
            }
        }
        self.put_back(left).await?;
        failed.map_or(Ok(count), Err)
    }
}

impl Replay {
    fn wants(&self, letter: &DeadLetter) -> bool {
        let Some(prefix) = &self.key else { return true };
        let location = letter.about.as_deref().and_then(|about| about.strip_prefix("s3://"));
        location.and_then(|location| location.split_once('/')).is_some_and(|(_, key)| key.starts_with(prefix))
    }
}

impl Queues {
    /// The queue for a message: the one that it came from is as SQS says, else the only one that there is.
    fn of(&self, message: &Message) -> Result<&str> {
        let sources = match self {
            Queues::Named(url) => return Ok(url),
            Queues::Sources(urls) => urls,
        };
        let arn = attribute(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let name = arn.and_then(|arn| arn.rsplit(':').next());
        let found = match (name, sources.as_slice()) {
            (Some(name), urls) => urls.iter().find(|url| url.rsplit('/').next() == Some(name)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(String::as_str).ok_or_else(|| {
            let message = "SQS does not say which queue a message came from; name it with --queue";
            Error::new(Kind::InvalidRequest, message)
        })
    }
}
