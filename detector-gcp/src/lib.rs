//! The detector service as it runs on Google Cloud Run, and Google Vision as a detector for whoever wants it in process.
//!
//! # Layout, in reading order
//! `vision` asks Google Vision. `annotate` is the Vision-compatible face: Google's own request and response, whatever detector
//! is behind it. `id_tokens` tells who calls, `credentials` whose money is spent, `cloud_logging` writes
//! logs as Cloud Logging reads them.

pub mod annotate;
pub mod cloud_logging;
pub mod credentials;
pub mod id_tokens;
pub mod vision;
