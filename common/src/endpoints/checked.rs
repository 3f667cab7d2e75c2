//! What somebody who only asks whether an endpoint is there has found out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many answers in a row change what is believed, and how long one is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row until it counts as failing.
    pub failures: u32,
    /// Answers in a row until it counts as there again.
    pub successes: u32,
    /// Where nothing was heard for so long, the checking itself has stopped: then only real questions tell.
    pub stale: Duration,
}

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is there and ready.
    Ready,
    /// It is there, and says that it is not ready.
    NotReady,
    /// It did not answer.
    Silent,
}

/// What changed with a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It counts as failing from now on.
    Lost,
    /// It counts as there again.
    Back,
}

/// What is believed of one endpoint. In the beginning it is believed to be there.
#[derive(Debug)]
pub struct Checked {
    thresholds: Thresholds,
    believed: Mutex<Believed>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Believed {
    failing: bool,
    contrary: u32,
    heard: Option<Instant>,
    back: Option<Instant>,
}

impl Checked {
    /// Nothing was heard yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, believed: Mutex::default() }
    }

    /// Takes one more look into account.
    pub fn record(&self, look: Look) -> Option<Change> {
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.heard = Some(Instant::now());
        if (look == Look::Ready) != believed.failing {
            believed.contrary = 0;
            return None;
        }
        believed.contrary += 1;
        let needed = if believed.failing { self.thresholds.successes } else { self.thresholds.failures };
        if believed.contrary < needed {
            return None;
        }
        believed.contrary = 0;
        believed.failing = !believed.failing;
        if believed.failing {
            return Some(Change::Lost);
        }
        believed.back = Some(Instant::now());
        Some(Change::Back)
    }

    /// Whether it counts as failing.
    pub fn is_failing(&self) -> bool {
        let believed = *self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.failing && believed.heard.is_some_and(|heard| heard.elapsed() < self.thresholds.stale)
    }

    /// Since when it is there again; `None` where it was never lost.
    pub(super) fn back(&self) -> Option<Instant> {
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn only_several_looks_in_a_row_change_what_is_believed() {
        let checked = Checked::new(Thresholds { failures: 2, successes: 3, stale: 10 * SECOND });
        for look in [Look::Silent, Look::Ready, Look::NotReady] {
            assert_eq!(checked.record(look), None);
        }
        assert_eq!(checked.record(Look::Silent), Some(Change::Lost));
        assert!(checked.is_failing());
        for look in [Look::Ready, Look::Ready, Look::Silent, Look::Ready, Look::Ready] {
            assert_eq!(checked.record(look), None);
        }
        assert_eq!(checked.record(Look::Ready), Some(Change::Back));
        assert!(!checked.is_failing());
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_checking_stops_nothing_is_held_against_anybody() {
        let checked = Checked::new(Thresholds { failures: 1, successes: 1, stale: 10 * SECOND });
        checked.record(Look::Silent);
        tokio::time::advance(9 * SECOND).await;
        assert!(checked.is_failing());
        tokio::time::advance(SECOND).await;
        assert!(!checked.is_failing());
    }
}
