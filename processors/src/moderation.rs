//! Moderation: what an image may be shown to, by the operator's policy. The decision is pure; what it costs (a blurred picture,
//! a preview for reviewers, an event) is the processor's business.
//!
//! # Layout, in reading order
//! `policy` says what a policy is and `condition` when one of its conditions holds; `decision` applies a policy to what was
//! found; `read` makes a policy of a TOML file; `policies` holds the ones in force; `moderator` is the processor, and `pictures`
//! what it leaves in the bucket.

mod condition;
mod decision;
mod moderator;
mod pictures;
mod policies;
mod policy;
mod read;

pub use decision::Decision;
pub use moderator::Moderator;
pub use pictures::{blurred_key, preview_key};
pub use policies::{Policies, PolicyFile};
pub use policy::{DEFAULT, Policy};
