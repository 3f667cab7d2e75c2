//! When a failed call is made again: never past the deadline, never more than a fifth on top, never against an open breaker.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use common::{
    endpoints::{Breaker, Patience},
    error::{Error, Kind, Result, Retry, internal},
};
use metrics::gauge;
use tokio::time::{Instant, sleep};

use super::client::Failure;

/// The one owner of retries on the way to Vision.
#[derive(Debug)]
pub(super) struct Retries {
    backoff: ExponentialBuilder,
    budget: Budget,
    breaker: Breaker,
}

impl Default for Retries {
    fn default() -> Self {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(6);
        Self { backoff, budget: Budget::default(), breaker: Breaker::new(Patience::default()) }
    }
}

impl Retries {
    /// Calls `attempt` with its number (from 0) and the time that is left, until it succeeds or there is a reason to stop.
    pub(super) async fn run<T, F>(&self, deadline: Instant, attempt: impl Fn(u32, Duration) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut delays = self.backoff.build();
        self.budget.called();
        for number in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(Kind::DeadlineExceeded, "the deadline passed before Vision was asked"));
            }
            let pass = self.breaker.enter().map_err(resting)?;
            let failure = match attempt(number, left).await {
                Ok(answer) => {
                    pass.succeeded();
                    self.show();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            if failure.ill {
                pass.failed()
            } else {
                pass.succeeded()
            }
            self.show();
            let Some(wait) = next_wait(&failure, &mut delays) else { return Err(failure.error) };
            let left = deadline.saturating_duration_since(Instant::now());
            if wait >= left || !self.budget.retry() {
                return Err(failure.error.with_retry(Retry::Exhausted));
            }
            sleep(wait).await;
        }
        Err(internal("tries without end"))
    }

    fn show(&self) {
        let open = if self.breaker.is_closed() { 0.0 } else { 1.0 };
        gauge!("crosslens_breaker_open", "provider" => "google-vision").set(open);
    }
}

fn resting(wait: Duration) -> Error {
    Error::new(Kind::Unavailable, "Vision has failed repeatedly and is left alone for a moment").after(wait)
}

/// What Google asks for, or any moment up to the next step of the backoff ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
fn next_wait(failure: &Failure, delays: &mut impl Iterator<Item = Duration>) -> Option<Duration> {
    if !failure.again {
        return None;
    }
    let step = delays.next()?;
    Some(failure.error.retry_after().unwrap_or_else(|| step.mul_f64(fastrand::f64())))
}

/// Retries as a share of calls, over the last seconds.
#[derive(Debug, Default)]
struct Budget(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: f64,
    retries: f64,
    faded: Option<Instant>,
}

/// A fifth of the calls.
const SHARE: f64 = 0.2;
/// Retries that are always to be had, so that the first call of a quiet hour has a second chance.
const LEAST: f64 = 3.0;
/// After this long, what was counted counts half.
const FADE: Duration = Duration::from_secs(10);

impl Budget {
    fn called(&self) {
        self.with(|counts| counts.calls += 1.0);
    }

    fn retry(&self) -> bool {
        self.with(|counts| {
            let allowed = counts.retries + 1.0 <= (counts.calls * SHARE).max(LEAST);
            if allowed {
                counts.retries += 1.0;
            }
            allowed
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let faded = *counts.faded.get_or_insert(now);
        if now - faded >= FADE {
            let halves = (now - faded).as_secs_f64() / FADE.as_secs_f64();
            let left = 0.5_f64.powf(halves);
            *counts = Counts { calls: counts.calls * left, retries: counts.retries * left, faded: Some(now) };
        }
        work(&mut counts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn failure(again: bool) -> Failure {
        Failure { error: Error::new(Kind::DetectorFailed, "no"), again, ill: false }
    }

    /// Runs an attempt that fails `failures` times; how often it was tried, and how it ended.
    async fn check(retries: &Retries, failures: u32, again: bool, seconds: u64) -> (u32, Result<()>) {
        let tries = AtomicU32::new(0);
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let attempt = async |number, _| {
            tries.fetch_add(1, Ordering::Relaxed);
            if number < failures { Err(failure(again)) } else { Ok(()) }
        };
        let ended = retries.run(deadline, attempt).await;
        (tries.into_inner(), ended)
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
        let (tries, ended) = check(&Retries::default(), 2, true, 60).await;
        assert_eq!((tries, ended.is_ok()), (3, true));
        let (tries, ended) = check(&Retries::default(), 2, false, 60).await;
        assert_eq!((tries, ended.is_err()), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_past_the_deadline() {
        let deadline = Instant::now() + Duration::from_secs(2);
        let wait = Duration::from_secs(3);
        let retries = Retries::default();
        let attempt = async |number, _| {
            assert_eq!(number, 0);
            let Failure { error, again, ill } = failure(true);
            Err::<(), _>(Failure { error: error.after(wait), again, ill })
        };
        let ended = retries.run(deadline, attempt).await.unwrap_err();
        assert_eq!(ended.retry(), Retry::Exhausted);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_at_most_a_fifth_of_the_calls() {
        let retries = Retries::default();
        let mut tries = 0;
        for _ in 0..100 {
            tries += check(&retries, 1, true, 60).await.0;
        }
        assert!((103..=120).contains(&tries), "{tries} tries for 100 calls");
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_is_not_asked() {
        let retries = Retries::default();
        let ill = async |_, _| Err::<(), _>(Failure { ill: true, ..failure(false) });
        for _ in 0..5 {
            retries.run(Instant::now() + FADE, ill).await.unwrap_err();
        }
        let (tries, ended) = check(&retries, 0, true, 60).await;
        assert_eq!((tries, ended.unwrap_err().kind()), (0, Kind::Unavailable));
    }
}
