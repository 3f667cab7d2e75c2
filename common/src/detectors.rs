//! Detectors that are made of other detectors: one that remembers, one that asks the next where one fails, and one that asks
//! over HTTP.

mod cached;
mod failover;
mod remote;

pub use cached::Cached;
pub use failover::Failover;
pub use remote::{DEADLINE_HEADER, Remote};
