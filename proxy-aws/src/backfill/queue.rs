//! SQS as the queue that the stack's backfill function reads.

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, SendMessageBatchRequestEntry},
};
use common::error::{Error, Kind, Result, internal};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Listed, Queue, message::notification};
use crate::refusals::refused;

/// What SQS takes in one call at the most.
const BATCH: usize = 10;
/// Calls at a time.
const AT_A_TIME: usize = 16;
/// Calls for the same messages before it is given up.
const TRIES: usize = 5;

/// The queue at a URL.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    sqs: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at this URL.
    pub fn new(sqs: Client, url: String) -> Self {
        Self { sqs, url }
    }

    /// Takes everything out, of whatever job; SQS takes up to a minute for it and allows it once a minute.
    pub async fn purge(&self) -> Result<()> {
        let purge = self.sqs.purge_queue().queue_url(&self.url).send();
        purge.await.map_err(|error| refused("the queue cannot be emptied", error))?;
        Ok(())
    }

    async fn send_batch(&self, objects: &[Listed]) -> Result<()> {
        let mut left = objects.iter().enumerate().map(|(place, listed)| {
            let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
            entry.message_body(notification(listed)).build().map_err(internal)
        });
        let mut left = left.by_ref().collect::<Result<Vec<_>>>()?;
        for _ in 0..TRIES {
            let send = self.sqs.send_message_batch().queue_url(&self.url).set_entries(Some(left.clone())).send();
            let sent = send.await.map_err(|error| refused("the queue does not take messages", error))?;
            left.retain(|entry| sent.failed().iter().any(|failed| failed.id() == entry.id()));
            let refusal = sent.failed().iter().find(|failed| failed.sender_fault());
            if let Some(refusal) = refusal {
                let message = format!("the queue refuses a message: {}", refusal.code());
                return Err(Error::new(Kind::InvalidRequest, message));
            }
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(Error::new(Kind::Unavailable, "the queue does not take some messages"))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, objects: &[Listed]) -> Result<()> {
        let calls = objects.chunks(BATCH).map(|batch| self.send_batch(batch)).collect::<Vec<_>>();
        stream::iter(calls).buffer_unordered(AT_A_TIME).try_collect::<()>().await
    }

    async fn depth(&self) -> Result<u64> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let ask = self.sqs.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let told = ask.send().await.map_err(|error| refused("the queue does not tell its length", error))?;
        let attributes = told.attributes.unwrap_or_default();
        Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
    }
}
