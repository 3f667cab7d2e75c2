//! Events of our own: each goes to every processor that this function runs, and each message of a queue fails by itself.

use common::{
    error::{Error, Kind, Result, internal},
    event::Event,
    ports::Fetch as _,
    request::{ImageSource, ObjectRef},
    upload::DERIVED,
};
use futures_util::future::join_all;
use processors::Worker;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::{Instrument as _, error, info, warn};

use super::{
    incoming::Delivered,
    metric,
    told::{self, Told},
};
use crate::{
    operator::Operator,
    s3::Buckets,
    sqs::{Delays, Failed},
};

/// Gives events to processors.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Events {
    pub workers: Vec<Worker>,
    /// Whose webhooks are told besides.
    pub webhooks: Option<Operator>,
    /// Where events lie that were too large for a message.
    pub bucket: Buckets,
    /// How long what failed stays away.
    pub delays: Delays,
    /// The deployment's name, a dimension of its metrics.
    pub stage: String,
}

impl Events {
    /// Messages of a queue; returns the ids of those that are to come back.
    pub(super) async fn queue(&self, delivered: Vec<Delivered>, deadline: Instant) -> Vec<String> {
        if delivered.is_empty() {
            return Vec::new();
        }
        let answers = self.all(delivered.iter().map(|delivered| delivered.told.clone()).collect(), deadline).await;
        let failed: Vec<Failed<'_>> = delivered
            .iter()
            .zip(&answers)
            .filter_map(|(delivered, answer)| {
                let (delivery, error) = (&delivered.delivery, answer.as_ref().err()?);
                let (id, cause) = (&delivery.id, error.causes());
                warn!(message.id = id, message.receives = delivery.receives, %error, cause, "an event is not processed yet");
                Some(Failed { delivery, retry_after: error.retry_after() })
            })
            .collect();
        info!(processed = answers.len().saturating_sub(failed.len()), failed = failed.len(), "events taken in");
        self.delays.delay(&failed).await;
        failed.into_iter().map(|failed| failed.delivery.id.clone()).collect()
    }

    /// Events without a queue: the first failure is everybody's, and all come back; the journal knows what was done.
    pub(super) async fn directly(&self, told: Vec<Told>, deadline: Instant) -> Result<()> {
        self.all(told, deadline).await.into_iter().collect()
    }

    /// One answer for each event, in their order. A panic fails its own event only.
    async fn all(&self, told: Vec<Told>, deadline: Instant) -> Vec<Result<()>> {
        let mut answers: Vec<Result<()>> =
            told.iter().map(|_| Err(internal("the work on an event was lost"))).collect();
        let mut work = JoinSet::new();
        for (place, told) in told.into_iter().enumerate() {
            let events = self.clone();
            work.spawn(async move { (place, events.one(told, deadline).await) }.in_current_span());
        }
        while let Some(done) = work.join_next().await {
            if let Ok((place, answer)) = done
                && let Some(slot) = answers.get_mut(place)
            {
                *slot = answer;
            }
        }
        answers
    }

    async fn one(&self, told: Told, deadline: Instant) -> Result<()> {
        let webhooks = self.webhooks.as_ref().map(Operator::webhooks);
        if self.workers.is_empty() && webhooks.is_none() {
            let message = "an event for a function that runs no processor; name some in CROSSLENS_PROCESSORS";
            return Err(Error::new(Kind::Unavailable, message));
        }
        let name = match &told {
            Told::Event(event) => event.id.clone(),
            Told::Kept { id, .. } => id.clone(),
        };
        let event = match self.opened(told).await {
            Ok(event) => event,
            Err(error) => return self.given_up(&name, "all", error),
        };
        let workers = self.workers.iter().chain(webhooks.iter().flatten());
        let work = workers.map(async |worker| match timeout_at(deadline, worker.handle(&event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.given_up(&name, worker.processor.name(), error),
            Err(_) => Err(Error::new(Kind::DeadlineExceeded, "the deadline passed before the event was processed")),
        });
        join_all(work).await.into_iter().collect()
    }

    /// What can never succeed is taken for done, and said aloud; the rest comes back.
    fn given_up(&self, event_id: &str, processor: &str, error: Error) -> Result<()> {
        if !error.is_permanent() {
            return Err(error);
        }
        error!(event.id = event_id, processor, %error, cause = error.causes(), "an event is given up");
        metric::one(&self.stage, "EventsGivenUp");
        Ok(())
    }

    /// The event itself. Who may write into a queue could name any object: only what we have laid there ourselves is read.
    async fn opened(&self, told: Told) -> Result<Event> {
        let (id, dataref) = match told {
            Told::Event(event) => return Ok(*event),
            Told::Kept { id, dataref } => (id, dataref),
        };
        let foreign = || Error::new(Kind::Forbidden, "an event that points to what is not one of our events");
        let object = ObjectRef::of_source(&dataref).ok_or_else(foreign)?;
        let ours = dataref.starts_with("s3://") && object.bucket == self.bucket.own()?;
        if !ours || !object.key.starts_with(&format!("{DERIVED}events/")) || object.version.is_some() {
            return Err(foreign());
        }
        let bytes = self.bucket.fetch(&ImageSource::Object(object)).await?;
        let text = std::str::from_utf8(&bytes).map_err(|cause| foreign().because(cause))?;
        let event = told::event(text)?;
        if event.id == id { Ok(event) } else { Err(foreign()) }
    }
}
