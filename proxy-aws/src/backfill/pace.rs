//! Not faster than asked for, and not further ahead of the stack than it can use.

use std::time::Duration;

use common::error::Result;
use tokio::time::{Instant, sleep_until};

use super::Queue;

/// How often a full queue is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// The pace of one run.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<u32>,
    next: Instant,
    ahead: u64,
    waiting: Option<u64>,
}

impl Pace {
    /// At most `rate` images a second, at most `ahead` messages that wait.
    pub(super) fn new(rate: Option<u32>, ahead: u64) -> Self {
        Self { rate, next: Instant::now(), ahead, waiting: None }
    }

    /// How many objects may be sent next: what the rate allows in about a second, so that a pause is seen soon.
    pub(super) fn step(&self) -> usize {
        const MOST: u32 = 500;
        let second = self.rate.unwrap_or(MOST).clamp(1, MOST);
        usize::try_from(second).unwrap_or(1)
    }

    /// Whether the queue has room; asks it only when it may be full.
    pub(super) async fn room(&mut self, queue: &dyn Queue, count: u64) -> Result<bool> {
        let fits = |waiting: u64| waiting == 0 || waiting + count <= self.ahead;
        if !self.waiting.is_some_and(fits) {
            self.waiting = Some(queue.depth().await?);
        }
        Ok(self.waiting.is_some_and(fits))
    }

    /// Waits until this many may be sent.
    pub(super) async fn wait(&mut self, count: u64) {
        self.waiting = self.waiting.map(|waiting| waiting + count);
        let Some(rate) = self.rate else { return };
        sleep_until(self.next).await;
        // Time that was not used is not made up for.
        self.next = self.next.max(Instant::now()) + Duration::from_secs_f64(count as f64 / f64::from(rate));
    }
}
