//! Detectors that are made of other detectors: one that remembers, and one that asks over HTTP.

mod cached;
mod remote;

pub use cached::Cached;
pub use remote::{DEADLINE_HEADER, Remote};
