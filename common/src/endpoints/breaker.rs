//! A circuit breaker: after repeated failure nobody asks for a while, then one asks for all.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How much failure is borne, and how long a rest is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// The first rest; each further one, without a success in between, is twice as long.
    pub first_rest: Duration,
    /// The longest rest.
    pub longest_rest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 5, first_rest: Duration::from_secs(1), longest_rest: Duration::from_secs(30) }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        rests: u32,
    },
    /// One probe is under way.
    HalfOpen {
        rests: u32,
    },
}

/// Guards one endpoint.
#[derive(Debug)]
pub struct Breaker {
    patience: Patience,
    state: Mutex<State>,
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
        Self { patience, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// May the endpoint be asked? Otherwise, how long to wait before asking again.
    pub fn enter(&self) -> Result<Pass<'_>, Duration> {
        let now = Instant::now();
        let mut state = self.state();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, .. } if until > now => return Err(until - now),
            State::Open { rests, .. } => {
                *state = State::HalfOpen { rests };
                true
            }
            State::HalfOpen { .. } => return Err(self.patience.first_rest),
        };
        Ok(Pass { breaker: self, probe, settled: false })
    }

    /// Whether everybody may ask.
    pub fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed { .. })
    }

    /// How long until somebody may ask, be it as the one who asks for all; zero where that is now. Takes nothing.
    pub fn wait(&self) -> Duration {
        match *self.state() {
            State::Closed { .. } => Duration::ZERO,
            State::Open { until, .. } => until.saturating_duration_since(Instant::now()),
            State::HalfOpen { .. } => self.patience.first_rest,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, rests: u32) -> State {
        let long = self.patience.first_rest.saturating_mul(2_u32.saturating_pow(rests));
        State::Open { until: Instant::now() + long.min(self.patience.longest_rest), rests }
    }
}

impl Pass<'_> {
    /// It answered, if only that the question was wrong.
    pub fn succeeded(mut self) {
        self.settled = true;
        let mut state = self.breaker.state();
        // A late answer from before the rest says nothing about now.
        if self.probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
        }
    }

    /// It did not answer, or badly.
    pub fn failed(mut self) {
        self.settled = true;
        let mut state = self.breaker.state();
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.breaker.patience.failures => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => self.breaker.rest(0),
            State::HalfOpen { rests } if self.probe => self.breaker.rest(rests + 1),
            other => other,
        };
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            let mut state = self.breaker.state();
            if let State::HalfOpen { rests } = *state {
                *state = State::Open { until: Instant::now(), rests };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(Patience { failures: 3, first_rest: SECOND, longest_rest: 3 * SECOND })
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
}
