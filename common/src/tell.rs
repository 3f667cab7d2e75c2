//! Telling what was recorded: published, and taken out of the outbox once it is.

use futures_util::future::join_all;
use tracing::warn;

use crate::{
    error::Result,
    event::Event,
    ports::{Outbox, Publish},
};

/// Publishes what was just recorded; where that fails, the sweep makes up for it.
pub async fn tell(publish: &dyn Publish, outbox: &dyn Outbox, events: &[Event]) {
    for (event, told) in events.iter().zip(publish_recorded(publish, outbox, events).await) {
        if let Err(error) = told {
            warn!(event.id = %event.id, %error, cause = error.causes(), "not published yet, the sweep will try again");
        }
    }
}

/// One answer for each event, in their order.
pub(crate) async fn publish_recorded(publish: &dyn Publish, outbox: &dyn Outbox, events: &[Event]) -> Vec<Result<()>> {
    if events.is_empty() {
        return Vec::new();
    }
    let answers = publish.publish(events).await;
    let settled = events.iter().zip(answers).map(async |(event, answer)| match answer {
        Ok(()) => outbox.published(&event.id).await,
        Err(error) => Err(error),
    });
    join_all(settled).await
}
