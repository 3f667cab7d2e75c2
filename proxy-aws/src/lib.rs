//! Everything that runs on AWS.
//!
//! # Layout, in reading order
//! `entry` takes every kind of Lambda event in, and `sequencer` puts what S3 tells into order; `s3`, `dynamodb`, `sns`, `sqs`,
//! `rekognition` and `translate` are the adapters, one service each; `configuration` reads the operator's files and `operator` puts them in force; `google_identity`
//! says to Google's side who calls; `backfill` and `dead_letters` are what an operator does from the command line, and `refusals`
//! tells them what went wrong. `main` wires one pipeline from them.

pub mod backfill;
pub mod clients;
pub mod configuration;
pub mod dead_letters;
pub mod dynamodb;
pub mod entry;
pub mod google_identity;
pub mod operator;
mod refusals;
pub mod rekognition;
pub mod s3;
pub mod sequencer;
pub mod sns;
pub mod sqs;
pub mod translate;
