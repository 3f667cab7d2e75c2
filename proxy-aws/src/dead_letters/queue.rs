//! Looking at the dead letters and leaving them as they were.

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use common::error::{Error, Kind, Result};

use super::DeadLetters;
use crate::refusals::refused;

/// What SQS takes and gives in one call at the most.
const BATCH: usize = 10;
/// Seconds that a message is hidden from others while it is looked at.
const HIDDEN: i32 = 60;

impl DeadLetters {
    /// The next messages, hidden from others for a minute; none when all are hidden or there are none.
    pub(super) async fn receive(&self) -> Result<Vec<Message>> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN)
            // A long poll asks every server of the queue; a short one may see nothing where there is something.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| refused("the dead letters cannot be read", error))?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Shows messages to others again.
    pub(super) async fn put_back(&self, receipts: Vec<String>) -> Result<()> {
        for receipts in receipts.chunks(BATCH) {
            let mut batch = self.sqs.change_message_visibility_batch().queue_url(&self.url);
            for (place, receipt) in receipts.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder();
                let entry = entry.id(place.to_string()).receipt_handle(receipt).visibility_timeout(0).build();
                batch = batch.entries(entry.map_err(common::error::internal)?);
            }
            // One that cannot be shown at once shows by itself within a minute.
            batch.send().await.map_err(|error| refused("the dead letters cannot be put back", error))?;
        }
        Ok(())
    }

    /// The URLs of the queues whose redrive policy names this one.
    pub(super) async fn sources(&self) -> Result<Vec<String>> {
        let mut pages = self.sqs.list_dead_letter_source_queues().queue_url(&self.url).into_paginator().items().send();
        let mut urls = Vec::new();
        while let Some(url) = pages.next().await {
            urls.push(url.map_err(|error| refused("the queues of these dead letters cannot be found", error))?);
        }
        Ok(urls)
    }

    /// Sends a message to `queue` again, with everything that its first sender said.
    pub(super) async fn send_again(&self, message: &Message, queue: &str) -> Result<()> {
        let body =
            message.body.as_deref().ok_or_else(|| Error::new(Kind::Internal, "SQS gave a message without a body"))?;
        let send = self.sqs.send_message().queue_url(queue).message_body(body);
        let send = send.set_message_attributes(message.message_attributes.clone());
        send.send().await.map_err(|error| refused("a message cannot be sent to its queue", error))?;
        Ok(())
    }

    /// Takes a message out.
    pub(super) async fn remove(&self, receipt: &str) -> Result<()> {
        let delete = self.sqs.delete_message().queue_url(&self.url).receipt_handle(receipt);
        delete
            .send()
            .await
            .map_err(|error| refused("a message that was sent again stays among the dead letters", error))?;
        Ok(())
    }
}
