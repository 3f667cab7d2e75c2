//! The product on one screen: one image, from left to right.
//!
//! admit → fetch → digest → claim in the ledger → detect → record (+ outbox) → publish

use std::{sync::Arc, time::Duration};

use metrics::counter;
use tokio::time::{error::Elapsed, sleep, timeout_at};
use tracing::{Instrument, info_span};

use crate::{
    analysis::Analysis,
    error::{Error, Kind, Result},
    event::{Event, Failure},
    image::Image,
    later::{answers, nobody_can_tell},
    look::Look,
    ports::{Archive, Claim, Claimed, Inbox, Ledger, Outbox, Outcome, Publish, Screen, Store},
    request::{Accepted, ImageId, ImageRequest},
    tell::{publish_recorded, tell},
    upload::inbox_key,
};

const POLL: Duration = Duration::from_millis(50);

/// The pipeline and what it needs from the outside.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Pipeline {
    pub look: Look,
    pub screen: Arc<dyn Screen>,
    pub ledger: Arc<dyn Ledger>,
    pub archive: Arc<dyn Archive>,
    pub inbox: Arc<dyn Inbox>,
    pub outbox: Arc<dyn Outbox>,
    pub publish: Arc<dyn Publish>,
    pub store: Arc<dyn Store>,
    /// How long past its deadline a request keeps its claim, so that a record under way is never overtaken.
    pub grace: Duration,
}

impl Pipeline {
    /// Labels one image: the same request twice is worked on once, recorded once and published once.
    pub async fn process(&self, request: &ImageRequest) -> Result<Analysis> {
        let (analysis, event) = self.label(request).await?;
        self.tell(event.as_slice()).await;
        Ok(analysis)
    }

    /// Labels one image and leaves its event in the outbox, for whoever tells it.
    async fn label(&self, request: &ImageRequest) -> Result<(Analysis, Option<Event>)> {
        let image = self.look.open(request).await?;
        if self.screen.denies(image.digest()) {
            return Err(Error::new(Kind::Denied, "the operator's policy denies this picture"));
        }
        let id = request.id(self.look.cloud, image.digest());
        let wanted = &request.query.features;
        // What the policy needs is asked and told as well, and is not the caller's to see.
        let request = &request.besides(self.screen.features().as_ref(), self.screen.tells_all());
        let claim = match self.claim(&id, request).await? {
            Claimed::Won(claim) => claim,
            Claimed::Done(analysis) => {
                let analysis = self.complete(analysis.truncated(request.query.max_labels)).await?;
                return Ok((analysis.only(wanted), None));
            }
            Claimed::Failed(failure) => return Err(given_up(failure)),
            Claimed::Busy(wait) => return Err(in_work(wait)),
        };
        let span = info_span!("image", image.id = %id, image.digest = %image.digest());
        match timeout_at(request.deadline, self.answer(&id, &image, request))
            .instrument(span)
            .await
            .unwrap_or_else(late)
        {
            Ok(analysis) => {
                let (analysis, event) = self.finish(&claim, &image, request, analysis).await?;
                Ok((analysis.only(wanted), event))
            }
            Err(error) => {
                self.ledger.release(&claim).await?;
                Err(error)
            }
        }
    }

    /// Labels an image that nobody waits for: what fails for good is recorded and published as `image_failed`, and the
    /// rest is returned, to be tried again.
    pub async fn process_queued(&self, request: &ImageRequest) -> Result<()> {
        let event = self.settle(request).await?;
        self.tell(event.as_slice()).await;
        Ok(())
    }

    /// As [`Self::process_queued`], with the event left in the outbox for whoever tells it.
    pub(crate) async fn settle(&self, request: &ImageRequest) -> Result<Option<Event>> {
        let event = match (self.label(request).await, request.early_id(self.look.cloud)) {
            (Err(error), Some(id)) if error.is_permanent() => self.give_up(&id, request, &error).await?,
            (labelled, _) => labelled?.1,
        };
        if let Some(accepted) = &request.accepted {
            self.store.remove(&inbox_key(&accepted.id)).await?;
        }
        Ok(event)
    }

    /// Keeps the bytes under `inbox/{id}` and promises the work: what a 202 stands on.
    pub async fn accept(&self, request: &ImageRequest) -> Result<ImageId> {
        let image = self.look.open(request).await?;
        let id = request.id(self.look.cloud, image.digest());
        let (source, query, caller) =
            (request.shown_source(self.look.cloud), request.query.clone(), request.caller.clone());
        let (request_id, traceparent) = (request.request_id.clone(), request.traceparent.clone());
        self.inbox
            .accept(&Accepted { id: id.clone(), source, query, caller, request_id, traceparent, part_of: None })
            .await?;
        if self.archive.state(&id).await? == Some(crate::ports::State::Pending) {
            self.store.put(&inbox_key(&id), image.bytes().clone()).await?;
        }
        Ok(id)
    }

    /// Publishes what was recorded and not yet published, oldest first; returns how many.
    pub async fn sweep(&self, age: Duration) -> Result<usize> {
        let events = self.outbox.unpublished(age, 500).await?;
        let answers = publish_recorded(self.publish.as_ref(), self.outbox.as_ref(), &events).await;
        answers.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(events.len())
    }

    /// A concurrent twin of this request is waited for, not refused.
    async fn claim(&self, id: &ImageId, request: &ImageRequest) -> Result<Claimed> {
        loop {
            let lease = request.time_left() + self.grace;
            let claimed = self.ledger.claim(id, lease, request.query.publish).await?;
            match claimed {
                Claimed::Busy(wait) if request.time_left() > POLL => sleep(wait.min(POLL)).await,
                settled => return Ok(settled),
            }
        }
    }

    /// An earlier answer for the same bytes, or the detector's.
    async fn answer(&self, id: &ImageId, image: &Image, request: &ImageRequest) -> Result<Analysis> {
        let features = &request.query.features;
        let known = self.archive.reusable(image.digest(), features, self.look.detect.id().as_ref()).await?;
        if let Some(known) = known.filter(|known| answers(known, request)) {
            counter!("crosslens_analyses_total", "origin" => "reused").increment(1);
            let (request_id, source) = (request.request_id.clone(), request.shown_source(self.look.cloud));
            return Ok(Analysis { id: id.clone(), part_of: request.part_of(), request_id, source, ..known });
        }
        let found = self.look.detect(id.clone(), image, request).await?;
        if answers(&found, request) { Ok(found) } else { Err(nobody_can_tell()) }
    }

    /// Analysis and event in one write.
    async fn finish(
        &self,
        claim: &Claim,
        image: &Image,
        request: &ImageRequest,
        analysis: Analysis,
    ) -> Result<(Analysis, Option<Event>)> {
        let mut shown = analysis.clone().truncated(request.query.max_labels);
        shown.findings.put_off(self.put_off(image, request, &analysis).await?);
        let event =
            request.query.publish.then(|| Event::labelled(self.look.cloud, &shown, request.traceparent.clone()));
        self.ledger.record(claim, &request.query, Outcome::Done(Box::new(analysis)), event.as_ref()).await?;
        Ok((shown, event))
    }

    async fn give_up(&self, id: &ImageId, request: &ImageRequest, error: &Error) -> Result<Option<Event>> {
        let claim = match self.claim(id, request).await? {
            Claimed::Won(claim) => claim,
            Claimed::Done(_) | Claimed::Failed(_) => return Ok(None),
            Claimed::Busy(wait) => return Err(in_work(wait)),
        };
        let failure = Failure::new(id, request.shown_source(self.look.cloud), error);
        let event = Event::failed(self.look.cloud, &failure, request.traceparent.clone());
        self.ledger.record(&claim, &request.query, Outcome::Failed(failure), Some(&event)).await?;
        Ok(Some(event))
    }

    /// Publishes what was just recorded; where that fails, the sweep makes up for it.
    pub(crate) async fn tell(&self, events: &[Event]) {
        tell(self.publish.as_ref(), self.outbox.as_ref(), events).await;
    }
}

fn in_work(wait: Duration) -> Error {
    Error::new(Kind::Unavailable, "the same request is in work").after(wait)
}

fn late(_: Elapsed) -> Result<Analysis> {
    Err(Error::new(Kind::DeadlineExceeded, "the deadline passed before the detector had answered"))
}

/// What was given up earlier, as the error that it was.
fn given_up(failure: Failure) -> Error {
    Error::new(Kind::from_slug(&failure.problem).unwrap_or(Kind::Internal), failure.detail)
}
