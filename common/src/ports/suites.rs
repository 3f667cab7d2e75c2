//! The behaviour of each port as a test: `# Behavior` lists in code. For the tests of implementations only; every function
//! here panics where an implementation does not behave.
//!
//! Ids are made anew in each run, so that a suite can run against a store that keeps things.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod archive;
mod detect;
mod erase;
mod faces;
mod index;
mod journal;
mod ledger;
mod messages;
mod phrases;
mod publish;
mod reviews;
mod samples;
mod storage;

pub use archive::{archive, inbox};
pub use detect::detect;
pub use erase::erase;
pub use faces::{Sitters, faces, remembered_faces};
pub use index::index;
pub use journal::journal;
pub use ledger::{ledger, outbox};
pub use messages::{numbers, replies};
pub use phrases::phrases;
pub use publish::publish;
pub use reviews::reviews;
pub use storage::{fetch, store};
