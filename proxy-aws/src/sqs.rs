//! Queues: a message that failed stays away for a while that grows with each delivery.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry as Entry;
use tracing::warn;

use crate::entry::Delivery;

/// Entries in one call, as SQS has it.
const TOGETHER: usize = 10;
/// The longest that a message stays away between two deliveries.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Sends messages away for a while.
#[derive(Debug, Clone)]
pub struct Delays {
    client: aws_sdk_sqs::Client,
    urls: Arc<BTreeMap<String, String>>,
    first: Duration,
}

/// A message that is to come back.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Failed<'a> {
    pub delivery: &'a Delivery,
    /// What whoever refused the work asked for.
    pub retry_after: Option<Duration>,
}

impl Delays {
    /// For the queues at these URLs; `first` is the delay after the first delivery, and each further one is twice as long.
    pub fn new(client: aws_sdk_sqs::Client, urls: &[String], first: Duration) -> Self {
        let name = |url: &String| (url.rsplit('/').next().unwrap_or_default().to_owned(), url.clone());
        Self { client, urls: Arc::new(urls.iter().map(name).collect()), first }
    }

    /// Where this fails, or where the queue is none of ours, the message comes back after the queue's own visibility timeout.
    pub async fn delay(&self, failed: &[Failed<'_>]) {
        let mut queues: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for (place, item) in failed.iter().enumerate() {
            let name = item.delivery.queue.rsplit(':').next().unwrap_or_default();
            let Some(url) = self.urls.get(name) else { continue };
            let away = self.away(item.delivery.receives).max(item.retry_after.unwrap_or_default()).min(LONGEST);
            let entry = Entry::builder()
                .id(place.to_string())
                .receipt_handle(&item.delivery.receipt)
                .visibility_timeout(i32::try_from(away.as_secs()).unwrap_or(i32::MAX))
                .build();
            match entry {
                Ok(entry) => queues.entry(url).or_default().push(entry),
                Err(error) => warn!(%error, "a message without a receipt"),
            }
        }
        for (url, entries) in queues {
            for some in entries.chunks(TOGETHER) {
                let call = self.client.change_message_visibility_batch().queue_url(url);
                match call.set_entries(Some(some.to_vec())).send().await {
                    Ok(answer) if answer.failed().is_empty() => {}
                    Ok(answer) => warn!(failed = answer.failed().len(), "some messages keep their visibility timeout"),
                    Err(error) => {
                        let error = aws_sdk_sqs::error::DisplayErrorContext(&error);
                        warn!(%error, "failed messages keep their visibility timeout");
                    }
                }
            }
        }
    }

    fn away(&self, receives: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(receives.saturating_sub(1)))
    }
}
