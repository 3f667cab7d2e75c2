//! What the end-to-end tests stand on: the built binary, a running server, a Python with photographs, a real browser.
//!
//! Everything here is made on demand, once, and is safe under concurrent tests and concurrent test processes. Nothing here
//! knows what a test expects; a helper that only one area needs lives with that area in `e2e/`.
#![allow(clippy::expect_used, clippy::print_stderr)]

mod binary;
mod chromium;
mod config;
mod detector;
mod events;
mod files;
mod http;
mod launch;
mod lock;
mod process;
mod python;
mod server;
mod vision_stand_in;

pub use self::{
    binary::{Cli, Ended, cache_dir, cargo, crosslens, detector_gcp, model_cache, run},
    chromium::{chromedriver, chromium, found_or_installed},
    detector::{Detector, Start},
    events::{Events, Sent},
    files::{cases_dir, target_dir, workspace_root},
    http::{Picture, client, numbered_picture, serve_picture},
    process::{Memory, alive, memory, signal, wait_until, wait_until_async},
    python::{bench_python, infra_python, photo, photos, python},
    server::{Builder, Server},
    vision_stand_in::{Call, Reply, VisionStandIn},
};
