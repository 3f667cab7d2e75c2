//! The choice among endpoints that answer the same question: in order of preference, leaving alone those that rest.
//!
//! Health is passive: what callers report of their tries opens and closes the breakers; nobody asks only to see whether
//! somebody is there. Deliberately not here: what is asked, and which failure lets the next one be asked.

use std::{slice::Iter, time::Duration};

use super::{Breaker, Pass, Patience};
use crate::error::{Error, Kind, Result};

/// Named endpoints in order of preference, each behind its own breaker.
#[derive(Debug)]
pub struct Choice<T> {
    endpoints: Vec<Endpoint<T>>,
}

#[derive(Debug)]
struct Endpoint<T> {
    name: String,
    inner: T,
    breaker: Breaker,
}

impl<T> Choice<T> {
    /// All closed.
    ///
    /// # Errors
    /// `invalid-request` where there is nothing to choose from.
    pub fn new(named: impl IntoIterator<Item = (String, T)>, patience: Patience) -> Result<Self> {
        let endpoint = |(name, inner)| Endpoint { name, inner, breaker: Breaker::new(patience) };
        let endpoints: Vec<_> = named.into_iter().map(endpoint).collect();
        if endpoints.is_empty() {
            return Err(Error::new(Kind::InvalidRequest, "there is no endpoint to choose from"));
        }
        Ok(Self { endpoints })
    }

    /// Each endpoint that may be asked now, once, best first. One whose rest is over has its place in that order again, for
    /// one caller at a time: behind the healthy ones it would never be asked, and a recovered favourite stay out of use.
    pub fn turns(&self) -> Turns<'_, T> {
        Turns { rest: self.endpoints.iter(), passed_over: false }
    }

    /// How long until one of them may be asked; zero where that is now.
    pub fn wait(&self) -> Duration {
        self.endpoints.iter().map(|endpoint| endpoint.breaker.wait()).min().unwrap_or_default()
    }
}

/// An endpoint that may be asked once.
#[derive(Debug)]
pub struct Turn<'a, T> {
    /// Its name.
    pub name: &'a str,
    /// What is asked.
    pub endpoint: &'a T,
    /// Where to say how it went.
    pub pass: Pass<'a>,
    /// No further one may be asked as things stand.
    pub is_last: bool,
}

/// The way through the endpoints for one question. A right to ask is taken when its turn comes, not before.
#[derive(Debug)]
pub struct Turns<'a, T> {
    rest: Iter<'a, Endpoint<T>>,
    passed_over: bool,
}

impl<T> Turns<'_, T> {
    /// Whether one had no turn, because it rests.
    pub fn has_passed_over(&self) -> bool {
        self.passed_over
    }
}

impl<'a, T> Iterator for Turns<'a, T> {
    type Item = Turn<'a, T>;

    fn next(&mut self) -> Option<Turn<'a, T>> {
        for endpoint in self.rest.by_ref() {
            match endpoint.breaker.enter() {
                Ok(pass) => {
                    let is_last = !self.rest.as_slice().iter().any(|later| later.breaker.wait().is_zero());
                    return Some(Turn { name: &endpoint.name, endpoint: &endpoint.inner, pass, is_last });
                }
                Err(_) => self.passed_over = true,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn choice(names: &[&str]) -> Choice<()> {
        let patience = Patience { failures: 2, first_rest: SECOND, longest_rest: 30 * SECOND, rate: None };
        Choice::new(names.iter().map(|name| ((*name).to_owned(), ())), patience).unwrap()
    }

    /// Who has a turn, and whether it is the last one, when every one fails.
    fn all_fail(choice: &Choice<()>) -> Vec<(String, bool)> {
        let fail = |turn: Turn<'_, ()>| {
            turn.pass.failed();
            (turn.name.to_owned(), turn.is_last)
        };
        choice.turns().map(fail).collect()
    }

    fn names(choice: &Choice<()>) -> Vec<String> {
        choice.turns().map(|turn| turn.name.to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_of_preference_and_the_last_is_known() {
        let expected = [("a".to_owned(), false), ("b".to_owned(), false), ("c".to_owned(), true)];
        assert_eq!(all_fail(&choice(&["a", "b", "c"])), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn who_rests_has_no_turn_and_the_shortest_wait_is_told() {
        let choice = choice(&["a", "b"]);
        all_fail(&choice);
        choice.turns().next().unwrap().pass.failed();
        assert_eq!(names(&choice), ["b"], "a rests");
        tokio::time::advance(SECOND / 4).await;
        choice.turns().next().unwrap().pass.failed();
        let mut turns = choice.turns();
        assert!(turns.next().is_none(), "both rest");
        assert!(turns.has_passed_over());
        assert_eq!(choice.wait(), SECOND * 3 / 4, "until a's rest is over");
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_before_those_that_rest_is_the_last() {
        let choice = choice(&["a", "b"]);
        for _ in 0..2 {
            choice.turns().nth(1).unwrap().pass.failed();
        }
        assert!(choice.turns().next().unwrap().is_last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_favourite_has_its_place_again_after_its_rest_for_one_caller_at_a_time() {
        let choice = choice(&["a", "b"]);
        for _ in 0..2 {
            choice.turns().next().unwrap().pass.failed();
        }
        assert_eq!(names(&choice), ["b"]);
        tokio::time::advance(SECOND).await;
        let probe = choice.turns().next().unwrap();
        assert_eq!((probe.name, probe.is_last), ("a", false));
        assert_eq!(names(&choice), ["b"], "while a is probed, the others go on");
        probe.pass.succeeded();
        assert_eq!(names(&choice), ["a", "b"]);
    }

    #[test]
    fn nothing_to_choose_from_is_refused() {
        assert_eq!(Choice::<()>::new([], Patience::default()).unwrap_err().kind(), Kind::InvalidRequest);
    }
}
