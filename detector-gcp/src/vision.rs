//! Google Vision as a detector.
//!
//! # Layout, in reading order
//! Below is one image's way: what it costs is taken from the day's `allowance`, `question` says what to ask, `batches`
//! joins what waits while all calls are busy, `client` makes the call with `retries`, and
//! `findings` reads the answer. Remembering answers and joining identical images is [`common::detectors::Cached`]'s.

mod allowance;
mod batches;
mod client;
mod findings;
mod question;
mod retries;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use common::{
    analysis::{Detection, DetectorId, Feature, Features, Findings},
    error::{Error, Kind, Result},
    image::Image,
    intake::Intake,
    ports::Detect,
};
use metrics::counter;
use tokio::time::{Instant, timeout_at};

pub use self::settings::{Credentials, VisionFlags, VisionSettings};
use self::{allowance::Allowance, batches::Batches, client::Client, question::Question};

/// Answers with Google Vision.
pub struct Vision {
    intake: Intake,
    batches: Batches,
    allowance: Allowance,
}

impl Vision {
    /// Prepares the client; nothing is sent yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// `unavailable` where there are no credentials to be found, with what to do about it.
    pub async fn new(settings: &VisionSettings, intake: Intake) -> Result<Self> {
        let client = Client::new(settings).await?;
        Ok(Self { intake, batches: Batches::new(client), allowance: Allowance::new(settings.units_per_day) })
    }

    /// Whether Vision takes our calls: asks it about no image at all, which costs nothing.
    ///
    /// # Errors
    /// What a call with an image would end in.
    pub async fn reachable(&self, time_left: Duration) -> Result<()> {
        self.batches.client().reachable(time_left).await
    }
}

#[async_trait]
impl Detect for Vision {
    fn id(&self) -> Option<DetectorId> {
        Some(id())
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let deadline = Instant::now() + time_left;
        let late = |_| Error::new(Kind::DeadlineExceeded, "the deadline passed before Vision had answered");
        let findings = timeout_at(deadline, self.ask(image, features, deadline)).await.map_err(late)??;
        Ok(Detection { detector: id(), findings })
    }
}

impl Vision {
    async fn ask(&self, image: &Image, features: &Features, deadline: Instant) -> Result<Findings> {
        let Some(question) = Question::of(features) else { return Ok(findings::nothing_asked(features)) };
        let (width, height) = features.enough_pixels();
        let sent = self.intake.reduced(image, width, height).await?;
        let cost = self.allowance.take(question.billed().values().sum())?;
        let answer = self.batches.ask(question.about(sent.bytes), deadline).await;
        let read = answer.and_then(|answer| findings::read(&question, answer, (sent.width, sent.height)));
        match &read {
            Ok(_) => {
                for (feature, units) in question.billed() {
                    counter!("crosslens_billed_units_total", "feature" => feature.name()).increment((*units).into());
                }
            }
            // Who was not let in is not billed.
            Err(error) if matches!(error.kind(), Kind::RateLimited | Kind::Unavailable) => cost.give_back(),
            Err(_) => {}
        }
        read
    }
}

fn id() -> DetectorId {
    DetectorId { provider: "google-vision".to_owned(), model: "builtin/stable".to_owned() }
}

/// What Vision cannot tell: it names nobody.
const UNSUPPORTED: [Feature; 1] = [Feature::Celebrities];
