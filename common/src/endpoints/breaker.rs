//! A circuit breaker: after repeated failure nobody asks for a while, then one asks for all.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::window::{Rate, Window};

/// How much failure is borne, and how long a rest is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// The first rest; each further one, without a long time of health in between, is twice as long.
    pub first_rest: Duration,
    /// The longest rest. Who has been asked for twice as long since the last one begins with the first rest again.
    pub longest_rest: Duration,
    /// The share of failures that opens it too, where there is one.
    pub rate: Option<Rate>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 5, first_rest: Duration::from_secs(1), longest_rest: Duration::from_secs(30), rate: None }
    }
}

/// Why an endpoint rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// It failed several times in a row: most likely it is not there.
    Failures,
    /// Too many of its answers failed or were slow: it is there, and not well.
    Rate,
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everybody may ask, and it never rested, or since this moment.
    Closed(Option<Instant>),
    /// The rest is over, and nobody asks for all yet.
    Due(Ground),
    /// Nobody may ask.
    Resting(Ground),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
        /// Rests so far without a long time of health in between.
        rests: u32,
        since: Option<Instant>,
    },
    Open {
        until: Instant,
        rests: u32,
        ground: Ground,
        /// Failures in a row of those who asked all the same.
        failures: u32,
    },
    /// One probe is under way.
    HalfOpen { rests: u32, ground: Ground },
}

#[derive(Debug)]
struct Seen {
    state: State,
    window: Window,
}

/// Guards one endpoint.
#[derive(Debug)]
pub struct Breaker {
    patience: Patience,
    seen: Mutex<Seen>,
}

/// The right to ask once. Dropped without a verdict (the caller went away) it changes nothing, and a probe is free again.
#[derive(Debug)]
#[must_use = "say how it went"]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(patience: Patience) -> Self {
        let state = State::Closed { failures: 0, rests: 0, since: None };
        Self { patience, seen: Mutex::new(Seen { state, window: Window::default() }) }
    }

    /// May the endpoint be asked? Otherwise, how long to wait before asking again.
    pub fn enter(&self) -> Result<Pass<'_>, Duration> {
        let now = Instant::now();
        let mut seen = self.seen();
        let probe = match seen.state {
            State::Closed { .. } => false,
            State::Open { until, .. } if until > now => return Err(until - now),
            State::Open { rests, ground, .. } => {
                seen.state = State::HalfOpen { rests, ground };
                true
            }
            State::HalfOpen { .. } => return Err(self.patience.first_rest),
        };
        Ok(Pass { breaker: self, probe, settled: false })
    }

    /// The right to ask although it rests, where nobody else is left.
    pub fn enter_anyway(&self) -> Pass<'_> {
        self.enter().unwrap_or(Pass { breaker: self, probe: false, settled: false })
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        match self.seen().state {
            State::Closed { since, .. } => Standing::Closed(since),
            State::Open { until, ground, .. } if until <= Instant::now() => Standing::Due(ground),
            State::Open { ground, .. } | State::HalfOpen { ground, .. } => Standing::Resting(ground),
        }
    }

    /// Whether everybody may ask.
    pub fn is_closed(&self) -> bool {
        matches!(self.seen().state, State::Closed { .. })
    }

    /// How long until somebody may ask, be it as the one who asks for all; zero where that is now. Takes nothing.
    pub fn wait(&self) -> Duration {
        match self.seen().state {
            State::Closed { .. } => Duration::ZERO,
            State::Open { until, .. } => until.saturating_duration_since(Instant::now()),
            State::HalfOpen { .. } => self.patience.first_rest,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, rests: u32, ground: Ground) -> State {
        let long = self.patience.first_rest.saturating_mul(2_u32.saturating_pow(rests));
        State::Open { until: Instant::now() + long.min(self.patience.longest_rest), rests, ground, failures: 0 }
    }

    /// The rest after a failure of one that everybody may ask.
    fn rest_again(&self, rests: u32, since: Option<Instant>, ground: Ground) -> State {
        let calm = since.is_none_or(|since| since.elapsed() >= 2 * self.patience.longest_rest);
        self.rest(if calm { 0 } else { rests }, ground)
    }

    fn has_failed(&self, state: State, probe: bool, too_many: bool, in_a_row: bool) -> State {
        let most = self.patience.failures;
        match state {
            State::Closed { failures, rests, since } => match failures + u32::from(in_a_row) {
                failures if failures >= most => self.rest_again(rests, since, Ground::Failures),
                _ if too_many => self.rest_again(rests, since, Ground::Rate),
                failures => State::Closed { failures, rests, since },
            },
            State::HalfOpen { rests, ground } if probe => self.rest(rests + 1, ground),
            State::Open { until, rests, ground: Ground::Rate, failures } => match failures + u32::from(in_a_row) {
                failures if failures >= most => self.rest(rests + 1, Ground::Failures),
                failures => State::Open { until, rests, ground: Ground::Rate, failures },
            },
            other => other,
        }
    }
}

impl Pass<'_> {
    /// It answered, if only that the question was wrong.
    pub fn succeeded(mut self) {
        self.settled = true;
        let mut seen = self.breaker.seen();
        seen.window.record(self.breaker.patience.rate, true);
        seen.state = match seen.state {
            State::Closed { rests, since, .. } => State::Closed { failures: 0, rests, since },
            State::HalfOpen { rests, .. } if self.probe => {
                // What came before the rest says nothing about now.
                seen.window = Window::default();
                State::Closed { failures: 0, rests: rests + 1, since: Some(Instant::now()) }
            }
            State::Open { until, rests, ground, .. } => State::Open { until, rests, ground, failures: 0 },
            // A late answer from before the rest says nothing about now.
            other @ State::HalfOpen { .. } => other,
        };
    }

    /// It did not answer, or badly.
    pub fn failed(self) {
        self.settle(true);
    }

    /// It answered, and later than anybody wants to wait: that counts in the share of failures and not among those in a row,
    /// since it is there.
    pub fn was_slow(self) {
        self.settle(false);
    }

    fn settle(mut self, in_a_row: bool) {
        self.settled = true;
        let mut seen = self.breaker.seen();
        let too_many = seen.window.record(self.breaker.patience.rate, false);
        seen.state = self.breaker.has_failed(seen.state, self.probe, too_many, in_a_row);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            let mut seen = self.breaker.seen();
            if let State::HalfOpen { rests, ground } = seen.state {
                seen.state = State::Open { until: Instant::now(), rests, ground, failures: 0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(Patience { failures: 3, first_rest: SECOND, longest_rest: 3 * SECOND, rate: None })
    }

    fn fail(breaker: &Breaker) {
        breaker.enter().unwrap().failed();
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let breaker = breaker();
        fail(&breaker);
        fail(&breaker);
        breaker.enter().unwrap().succeeded();
        fail(&breaker);
        fail(&breaker);
        assert!(breaker.is_closed());
        fail(&breaker);
        assert_eq!(breaker.enter().unwrap_err(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_rest_one_asks_for_all() {
        let breaker = breaker();
        (0..3).for_each(|_| fail(&breaker));
        tokio::time::advance(SECOND).await;
        assert!(breaker.wait().is_zero());
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_err() && !breaker.wait().is_zero(), "one probe at a time");
        probe.succeeded();
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn rests_grow_up_to_the_longest() {
        let breaker = breaker();
        (0..3).for_each(|_| fail(&breaker));
        for seconds in [1, 2, 3, 3] {
            let wait = breaker.enter().unwrap_err();
            assert_eq!(wait, seconds * SECOND);
            tokio::time::advance(wait).await;
            fail(&breaker);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_leaves_its_place_to_the_next() {
        let breaker = breaker();
        (0..3).for_each(|_| fail(&breaker));
        tokio::time::advance(SECOND).await;
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().succeeded();
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_does_not_end_the_rest() {
        let breaker = breaker();
        let late = breaker.enter().unwrap();
        (0..3).for_each(|_| fail(&breaker));
        late.succeeded();
        assert!(breaker.enter().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_again_soon_rests_longer_and_who_was_well_for_long_does_not() {
        let breaker = breaker();
        let check = |healthy: Duration, rest: Duration| {
            (0..3).for_each(|_| fail(&breaker));
            assert_eq!(breaker.enter().unwrap_err(), rest, "after {healthy:?} of health");
            rest
        };
        let mut rest = check(Duration::ZERO, SECOND);
        for (healthy, next) in [(SECOND, 2 * SECOND), (SECOND, 3 * SECOND), (6 * SECOND, SECOND)] {
            tokio::time::advance(rest).await;
            breaker.enter().unwrap().succeeded();
            tokio::time::advance(healthy).await;
            rest = check(healthy, next);
        }
    }

    fn by_rate() -> Breaker {
        let rate = Rate { share: 0.5, least: 10, window: 10 * SECOND };
        Breaker::new(Patience { failures: 3, first_rest: SECOND, longest_rest: 3 * SECOND, rate: Some(rate) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_failures_opens_it_and_slow_answers_are_none_in_a_row() {
        let breaker = by_rate();
        for _ in 0..9 {
            breaker.enter().unwrap().was_slow();
        }
        assert!(breaker.is_closed(), "too few to judge");
        breaker.enter().unwrap().was_slow();
        assert_eq!(breaker.standing(), Standing::Resting(Ground::Rate));
        tokio::time::advance(SECOND).await;
        assert_eq!(breaker.standing(), Standing::Due(Ground::Rate));
        breaker.enter().unwrap().succeeded();
        breaker.enter().unwrap().was_slow();
        assert!(breaker.is_closed(), "what was before the rest is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_although_it_rests_and_does_not_answer_is_not_there() {
        let breaker = by_rate();
        for _ in 0..10 {
            breaker.enter().unwrap().was_slow();
        }
        breaker.enter_anyway().failed();
        breaker.enter_anyway().failed();
        breaker.enter_anyway().succeeded();
        assert_eq!(breaker.standing(), Standing::Resting(Ground::Rate));
        (0..3).for_each(|_| breaker.enter_anyway().failed());
        assert_eq!(breaker.standing(), Standing::Resting(Ground::Failures));
    }
}
