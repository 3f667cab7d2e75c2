//! Google Vision as a detector.
//!
//! # Layout, in reading order
//! Below is one image's way: what it costs is taken from the day's `allowance`, `question` says what to ask and how large the
//! picture must be, `batches` joins what waits while all calls are busy, `client` makes the call with `retries`, and
//! `findings` reads the answer. Remembering answers and joining identical images is [`common::detectors::Cached`]'s.

mod allowance;
mod batches;
mod client;
mod findings;
mod question;
mod retries;

use std::time::Duration;

use async_trait::async_trait;
use common::{
    analysis::{Detection, DetectorId, Feature, Features},
    error::{Error, Kind, Result},
    image::Image,
    intake::Intake,
    ports::Detect,
};
use metrics::counter;
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::{allowance::Allowance, batches::Batches, client::Client, question::Question};

/// What the operator decides about Vision.
#[derive(Debug, Clone)]
pub struct VisionSettings {
    /// Where Vision is; Google's own address without it. Anything with the same REST API will do.
    pub endpoint: Option<Url>,
    /// Whose money it is.
    pub credentials: Credentials,
    /// Images a minute that are sent at the most: the project's quota, or this instance's part of it.
    pub images_per_minute: u32,
    /// Billed units a day (UTC) at the most.
    pub units_per_day: u32,
}

impl Default for VisionSettings {
    fn default() -> Self {
        Self { endpoint: None, credentials: Credentials::Default, images_per_minute: 1800, units_per_day: 10_000 }
    }
}

/// Whose money it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Google's application-default credentials: the service's own account, or the user's.
    Default,
    /// None, for a server that asks for none.
    Anonymous,
}

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
    async fn ask(&self, image: &Image, features: &Features, deadline: Instant) -> Result<common::analysis::Findings> {
        let Some(question) = Question::of(features) else { return Ok(findings::nothing_asked(features)) };
        let (width, height) = question.size();
        let sent = self.intake.reduced(image, width, height).await?;
        let cost = self.allowance.take(question.billed().values().sum())?;
        let answer = self.batches.ask(question.about(sent.bytes), deadline).await;
        let read = answer.and_then(|answer| findings::read(&question, answer, (sent.width, sent.height)));
        match &read {
            Ok(_) => {
                for (feature, units) in question.billed() {
                    counter!("crosslens_billed_units_total", "feature" => feature.name()).increment((*units).into());
                }
                cost.spend();
            }
            // Who was not let in is not billed either.
            Err(error) if matches!(error.kind(), Kind::RateLimited | Kind::Unavailable) => drop(cost),
            Err(_) => cost.spend(),
        }
        read
    }
}

fn id() -> DetectorId {
    DetectorId { provider: "google-vision".to_owned(), model: "builtin/stable".to_owned() }
}

/// What Vision cannot tell: it names nobody.
const UNSUPPORTED: [Feature; 1] = [Feature::Celebrities];
