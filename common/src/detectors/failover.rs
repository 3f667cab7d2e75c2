//! Asks the next detector where one does not answer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use metrics::counter;
use tokio::time::{Instant, timeout};

use crate::{
    analysis::{Detection, DetectorId, Features},
    endpoints::{Choice, Patience, Turn},
    error::{Error, Kind, Result, Retry},
    image::Image,
    ports::Detect,
};

/// What a try must have had before running out of time says something about the detector: else callers in a hurry would
/// have it left alone for everybody.
const FAIR: Duration = Duration::from_secs(2);

/// What a caller is told to wait where nobody has said.
const PAUSE: Duration = Duration::from_secs(1);

/// Detectors in order of preference, each left alone for a while after failing repeatedly.
///
/// The next one is asked where one cannot be reached, is late, answers badly or cannot do it at all; never where it
/// complains about the question. Each try gets half of the time that is left, the last one all of it.
pub struct Failover {
    detectors: Choice<Arc<dyn Detect>>,
    pay_elsewhere: bool,
}

impl Failover {
    /// Detectors under the names that metrics and the log have for them. `pay_elsewhere` lets the next one be asked where
    /// one says that it has too much to do (`rate-limited`).
    ///
    /// # Errors
    /// `invalid-request` where there is none.
    pub fn new(
        detectors: impl IntoIterator<Item = (String, Arc<dyn Detect>)>,
        patience: Patience,
        pay_elsewhere: bool,
    ) -> Result<Self> {
        Ok(Self { detectors: Choice::new(detectors, patience)?, pay_elsewhere })
    }

    /// One try, of which the breaker and the metrics are told.
    async fn attempt(
        &self,
        turn: Turn<'_, Arc<dyn Detect>>,
        (image, features): (&Image, &Features),
        time: Duration,
    ) -> Result<Detection> {
        let Turn { name, endpoint, pass, .. } = turn;
        let answer = timeout(time, endpoint.detect(image, features, time)).await.unwrap_or_else(|_| Err(late()));
        let outcome = answer.as_ref().map_or_else(|error| error.kind().slug(), |_| "answered");
        counter!("crosslens_detector_tries_total", "detector" => name.to_owned(), "outcome" => outcome).increment(1);
        match &answer {
            Ok(_) => pass.succeeded(),
            Err(error) => {
                tracing::warn!(detector.name = name, error.causes = error.causes(), "a detector failed: {error}");
                let fair = error.kind() != Kind::DeadlineExceeded || time >= FAIR;
                // A complaint about the question may come from before it was asked: it says nothing either way.
                if says_ill(error) && fair {
                    pass.failed();
                }
            }
        }
        answer
    }

    fn goes_on(&self, error: &Error) -> bool {
        says_ill(error)
            || error.kind() == Kind::Unsupported
            || (error.kind() == Kind::RateLimited && self.pay_elsewhere)
    }
}

#[async_trait]
impl Detect for Failover {
    /// It may be any of them.
    fn id(&self) -> Option<DetectorId> {
        None
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let deadline = Instant::now() + time_left;
        let mut turns = self.detectors.turns();
        let mut failures = Vec::new();
        for turn in turns.by_ref() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failures.pop().unwrap_or_else(late));
            }
            let time = if turn.is_last { left } else { left / 2 };
            match self.attempt(turn, (image, features), time).await {
                Err(error) if self.goes_on(&error) => failures.push(error),
                ended => return ended,
            }
        }
        Err(nobody(failures, turns.has_passed_over(), self.detectors.wait()))
    }
}

/// Whether a failure is the detector's own: it is not there, too slow, or answers badly. Only a detector that rejects our
/// calls is another matter, since nobody but the operator can help that.
fn says_ill(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::DeadlineExceeded | Kind::DetectorFailed)
        && error.retry() != Retry::Exhausted
        && !error.is_permanent()
}

fn late() -> Error {
    Error::new(Kind::DeadlineExceeded, "the detector did not answer in time")
}

/// One failure that stands for all, where the first of the detectors may be asked again after `wait`, and some may not even
/// have been asked.
fn nobody(failures: Vec<Error>, passed_over: bool, wait: Duration) -> Error {
    let wait = wait.max(PAUSE);
    let wait = failures.iter().map(|error| error.retry_after().unwrap_or(wait)).min().unwrap_or(wait).max(PAUSE);
    let same = failures.windows(2).all(|pair| matches!(pair, [one, next] if one.kind() == next.kind()));
    match failures.into_iter().last() {
        Some(last) if same && !passed_over && last.is_permanent() => last,
        Some(last) if same && !passed_over => last.after(wait),
        Some(last) => Error::new(Kind::Unavailable, "no detector can answer now").because(last).after(wait),
        None => Error::new(Kind::Unavailable, "every detector has failed repeatedly and rests").after(wait),
    }
}

#[cfg(test)]
mod tests;
