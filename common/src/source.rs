//! Opening a stranger's URL: what its text may be, which addresses may be connected to, and the fetching itself.
//!
//! `address`, `url` and `policy` are pure; `fetch` is the only place in Crosslens that opens a URL chosen by a stranger.

mod address;
mod answer;
mod body;
mod fetch;
mod policy;
mod resolve;
mod sources;
mod url;

pub use address::{Refusal, judge, judge_all};
pub use fetch::{FetchLimits, WebFetcher};
pub use policy::{HostPort, SourcePolicy};
pub use resolve::{Resolve, SystemResolver};
pub use sources::Sources;
pub use url::SourceUrl;
