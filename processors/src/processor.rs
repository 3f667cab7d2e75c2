//! The one shape of all processors, and the worker that makes what they do happen once.

#[cfg(test)]
pub mod example;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use common::{
    error::Result,
    event::{Event, Topic},
    ports::{Journal, Outbox, Publish, Settled, Settlement},
    tell::tell,
};
use metrics::counter;
use tracing::{Instrument, info_span};

/// Something that consumes topics.
///
/// # Behavior
/// - `process` may be called more than once for one event, also at the same time: what it does by itself (an object put under a
///   key that follows from the event, a tag set) comes out the same, and what must happen once it returns as a settlement.
/// - A permanent error gives the event up; any other brings it back later.
#[async_trait]
pub trait Processor: Send + Sync {
    /// Its name among all consumers; what it has done is remembered under it, so that it never changes.
    fn name(&self) -> &str;

    /// The topics that it is fed from.
    fn consumes(&self) -> &[Topic];

    /// Works on one event.
    async fn process(&self, event: &Event) -> Result<Settlement>;
}

/// A processor with its memory: each event is settled once, and what that publishes is told.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Worker {
    pub processor: Arc<dyn Processor>,
    pub journal: Arc<dyn Journal>,
    pub outbox: Arc<dyn Outbox>,
    pub publish: Arc<dyn Publish>,
}

impl Worker {
    /// Works on one delivery of an event. Events of topics that the processor does not consume are passed over.
    pub async fn handle(&self, event: &Event) -> Result<()> {
        if !self.processor.consumes().contains(&event.topic()) {
            return Ok(());
        }
        let name = self.processor.name().to_owned();
        let span = info_span!("process", processor = name, event.id = %event.id);
        let outcome = self.once(event).instrument(span).await;
        let word = match &outcome {
            Ok(true) => "done",
            Ok(false) => "known",
            Err(error) if error.is_permanent() => "given-up",
            Err(_) => "failed",
        };
        counter!("crosslens_processed_total", "processor" => name, "outcome" => word).increment(1);
        outcome.map(drop)
    }

    async fn once(&self, event: &Event) -> Result<bool> {
        let name = self.processor.name();
        if self.journal.is_settled(name, &event.id).await? {
            return Ok(false);
        }
        let settlement = self.processor.process(event).await?;
        let settled = self.journal.settle(name, &event.id, event.image(), &settlement).await?;
        if settled == Settled::Recorded {
            tell(self.publish.as_ref(), self.outbox.as_ref(), &settlement.events).await;
        }
        Ok(settled != Settled::Before)
    }
}
