//! When something that answers over the network should be asked, and when it asks to be left alone; and whom to ask where
//! several would answer. [`Choice`] is for endpoints in order of preference, whose health is what callers report; [`Health`] and
//! the turns of [`Credits`] are for endpoints that share the work and that somebody looks after as well.

mod balance;
mod breaker;
mod checked;
mod choice;
mod health;
mod window;

use std::time::Duration;

use http::{HeaderMap, header};

pub use balance::{Candidate, Credits, least_busy, same_for};
pub use breaker::{Breaker, Ground, Pass, Patience, Standing};
pub use checked::{Change, Checked, Look, Thresholds};
pub use choice::{Choice, Turn, Turns};
pub use health::{Health, Level, State};
pub use window::Rate;

/// What a `Retry-After` in seconds asks for, at most a day; `None` for anything else.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}
