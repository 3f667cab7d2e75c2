//! What the results are for: moderation, translation, writing back and telling. Each is a pure decision with small ports,
//! and runs wherever its topics are: in `crosslens up`, and as functions fed by queues on AWS. Names no cloud.
//!
//! # Layout, in reading order
//! `processor` is the one shape that they all have, and what makes it happen once;
//! `translation` calls labels by their names in other languages.

pub mod processor;
pub mod translation;

pub use processor::{Processor, Worker};
