//! What the results are for: moderation, translation, writing back and telling. Each is a pure decision with small ports,
//! and runs wherever its topics are: in `crosslens up`, and as functions fed by queues on AWS. Names no cloud.
//!
//! # Layout, in reading order
//! `processor` is the one shape that they all have, and what makes it happen once. `moderation` decides who may see an image and
//! `review` takes down what people decide; `translation` names labels in other languages; `write_back` puts what is known beside
//! the original; `faces` keeps and matches faces for people who ask by message; `notify` tells webhooks, and `sns` takes in what a
//! stack on AWS tells; `messages` lets people ask by text message, and answers them.

pub mod faces;
pub mod messages;
pub mod moderation;
pub mod notify;
pub mod processor;
pub mod review;
pub mod sns;
pub mod translation;
pub mod write_back;

pub use processor::{Processor, Worker};
pub use review::Reviewing;
pub use write_back::WriteBack;
