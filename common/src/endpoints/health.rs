//! How one endpoint is, from real questions and from looks: whether to ask it, and how much of its share it can bear.

use std::time::Duration;

use tokio::sync::Notify;

use super::{Breaker, Change, Checked, Ground, Look, Pass, Patience, Thresholds, breaker::Standing};

/// The part of its share that an endpoint begins with after a recovery.
const FIRST_SHARE: f64 = 0.1;

/// Whether an endpoint is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Yes.
    Good,
    /// Only where nobody is good: it answers, but too slowly or too often badly; or it says that it is not ready, while the real
    /// questions that it got were answered.
    Doubtful,
    /// No.
    Out,
}

/// How an endpoint is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has its whole share.
    Healthy,
    /// It has recovered and its share grows.
    Warming,
    /// Looks at it fail.
    Unreachable,
    /// It failed several times in a row and is left alone.
    Failing,
    /// Too many of its answers failed or were slow, and it is left alone.
    Unwell,
}

/// What is known of one endpoint.
#[derive(Debug)]
pub struct Health {
    breaker: Breaker,
    checked: Checked,
    warm_up: Duration,
    lost: Notify,
}

impl Health {
    /// In the beginning it is believed to be well. After a recovery its share grows over `warm_up`.
    pub fn new(patience: Patience, thresholds: Thresholds, warm_up: Duration) -> Self {
        Self { breaker: Breaker::new(patience), checked: Checked::new(thresholds), warm_up, lost: Notify::new() }
    }

    /// Whether to ask it.
    pub fn level(&self) -> Level {
        match (self.breaker.standing(), self.checked.is_failing()) {
            (Standing::Closed(_) | Standing::Due(_), false) => Level::Good,
            (Standing::Closed(_), true) | (Standing::Resting(Ground::Rate), false) => Level::Doubtful,
            (Standing::Resting(_) | Standing::Due(_), _) => Level::Out,
        }
    }

    /// The right to ask, for whoever has found it at this level; `None` where another one was faster to ask for all.
    pub fn enter(&self, level: Level) -> Option<Pass<'_>> {
        match level {
            Level::Good => self.breaker.enter().ok(),
            Level::Doubtful => Some(self.breaker.enter_anyway()),
            Level::Out => None,
        }
    }

    /// The right to ask whatever is known, for who wants this one and no other.
    pub fn enter_anyway(&self) -> Pass<'_> {
        self.breaker.enter_anyway()
    }

    /// The part of its share that it can bear now, above 0 and at most 1: a cloud that scales with its work, or whose caches are
    /// cold, is not hit with all of it at once.
    pub fn share(&self) -> f64 {
        let closed = match self.breaker.standing() {
            Standing::Closed(since) => since,
            _ => None,
        };
        let Some(since) = closed.max(self.checked.back()) else { return 1.0 };
        let grown = since.elapsed().as_secs_f64() / self.warm_up.as_secs_f64().max(f64::EPSILON);
        grown.clamp(FIRST_SHARE, 1.0)
    }

    /// How it is, in a word.
    pub fn state(&self) -> State {
        match (self.breaker.standing(), self.checked.is_failing()) {
            (_, true) => State::Unreachable,
            (Standing::Closed(_), _) if self.share() < 1.0 => State::Warming,
            (Standing::Closed(_), _) => State::Healthy,
            (Standing::Due(Ground::Failures) | Standing::Resting(Ground::Failures), _) => State::Failing,
            (Standing::Due(Ground::Rate) | Standing::Resting(Ground::Rate), _) => State::Unwell,
        }
    }

    /// Takes a look into account. Whoever waits for an answer of one that has fallen silent hears so by [`Self::lost`].
    pub fn looked(&self, look: Look) {
        if self.checked.record(look) == Some(Change::Lost) && look == Look::Silent {
            self.lost.notify_waiters();
        }
    }

    /// Resolves when looks find that it has fallen silent from now on.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    /// How long until it may be asked again, as far as that is known.
    pub fn wait(&self) -> Duration {
        self.breaker.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::Rate;

    const SECOND: Duration = Duration::from_secs(1);

    fn health() -> Health {
        let rate = Some(Rate { share: 0.5, least: 4, window: 10 * SECOND });
        let patience = Patience { failures: 3, first_rest: SECOND, longest_rest: 8 * SECOND, rate };
        Health::new(patience, Thresholds { failures: 2, successes: 2, stale: 20 * SECOND }, 10 * SECOND)
    }

    fn ask(health: &Health) -> Pass<'_> {
        health.enter(Level::Good).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_is_out_and_who_is_slow_is_doubtful() {
        let silent = health();
        (0..3).for_each(|_| ask(&silent).failed());
        assert_eq!((silent.level(), silent.state()), (Level::Out, State::Failing));
        let slow = health();
        (0..4).for_each(|_| ask(&slow).was_slow());
        assert_eq!((slow.level(), slow.state()), (Level::Doubtful, State::Unwell));
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_fail_are_doubted_while_real_questions_are_answered() {
        let health = health();
        health.looked(Look::Silent);
        health.looked(Look::Silent);
        assert_eq!((health.level(), health.state()), (Level::Doubtful, State::Unreachable));
        (0..3).for_each(|_| health.enter(Level::Doubtful).unwrap().failed());
        assert_eq!(health.level(), Level::Out);
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(health.level(), Level::Out, "nobody need try: the next look tells");
        health.looked(Look::Ready);
        health.looked(Look::Ready);
        assert_eq!(health.level(), Level::Good, "one may ask for all");
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_grows_after_a_recovery() {
        let health = health();
        assert_eq!(health.share(), 1.0);
        (0..3).for_each(|_| ask(&health).failed());
        tokio::time::advance(SECOND).await;
        ask(&health).succeeded();
        assert_eq!((health.share(), health.state()), (0.1, State::Warming));
        tokio::time::advance(5 * SECOND).await;
        assert!((health.share() - 0.5).abs() < 1e-6, "{}", health.share());
        tokio::time::advance(5 * SECOND).await;
        assert_eq!((health.share(), health.state()), (1.0, State::Healthy));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_that_it_has_fallen_silent() {
        let health = health();
        let waiting = health.lost();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("nobody said so"),
            () = tokio::task::yield_now() => {}
        }
        health.looked(Look::Silent);
        health.looked(Look::Silent);
        waiting.await;
    }
}
