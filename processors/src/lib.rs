//! What the results are for: moderation, translation, writing back and telling. Each is a pure decision with small ports,
//! and runs wherever its topics are: in `crosslens up`, and as functions fed by queues on AWS. Names no cloud.
//!
//! # Layout, in reading order
//! `processor` is the one shape that they all have, and what makes it happen once. `write_back` puts what is known beside the
//! original; `review` takes down what people decide. `notify` tells others by webhook; `sns` takes the events of a stack on AWS
//! in, for processors that run elsewhere.

pub mod notify;
pub mod processor;
pub mod review;
pub mod sns;
pub mod write_back;

pub use processor::{Processor, Worker};
pub use review::Reviewing;
pub use write_back::WriteBack;
