//! When something that answers over the network should be asked, and when it asks to be left alone; and whom to ask where
//! several would answer.

mod breaker;
mod choice;

use std::time::Duration;

use http::{HeaderMap, header};

pub use breaker::{Breaker, Pass, Patience};
pub use choice::{Choice, Turn, Turns};

/// What a `Retry-After` in seconds asks for, at most a day; `None` for anything else.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}
