//! Opening a stranger's URL: what its text may be, which addresses may be connected to, and the fetching itself.
//!
//! `address`, `url` and `policy` are pure; `guarded` is the only place in Crosslens that opens a URL chosen by a stranger, for
//! `fetch`, which takes pictures in, and `post`, which hands events out.

mod address;
mod answer;
mod body;
mod fetch;
mod guarded;
mod policy;
mod post;
mod resolve;
mod sources;
mod url;

pub use address::{Refusal, judge, judge_all};
pub use fetch::{FetchLimits, WebFetcher};
pub use policy::{HostPort, SourcePolicy};
pub use post::{Answered, GuardedPost};
pub use resolve::{Resolve, SystemResolver};
pub use sources::Sources;
pub use url::SourceUrl;
