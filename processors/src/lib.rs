//! What the results are for: moderation, translation, writing back and telling. Each is a pure decision with small ports,
//! and runs wherever its topics are: in `crosslens up`, and as functions fed by queues on AWS. Names no cloud.
//!
//! # Layout, in reading order
//! `processor` is the one shape that they all have, and what makes it happen once; `moderation` is the first of them.

pub mod moderation;
pub mod processor;

pub use processor::{Processor, Worker};
