//! What the end-to-end tests stand on: the built binary, a running server, a Python with photographs, a real browser.
//!
//! Everything here is made on demand, once, and is safe under concurrent tests and concurrent test processes. Nothing here
//! knows what a test expects; a helper that only one area needs lives with that area in `e2e/`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

mod aws_json;
mod aws_servers;
mod aws_stack;
#[allow(clippy::unwrap_used)]
pub mod aws_world;
mod binary;
mod boto;
mod chromium;
mod config;
mod counted;
mod detector;
mod detector_stand_in;
mod events;
mod files;
mod function_zip;
mod google_stand_in;
mod http;
mod lambda;
mod launch;
mod ledger_table;
mod lock;
mod made_up_bucket;
mod node;
mod process;
mod python;
mod rekognition_stand_in;
mod server;
mod sigv4;
mod translate_stand_in;
mod twilio_stand_in;
mod vision_stand_in;
mod wikipedia_stand_in;

pub use self::{
    aws_json::{AwsJsonStandIn, Fault, Spoken},
    aws_servers::{Ministack, Moto, free_port},
    aws_stack::{Stack, UrlAnswer},
    binary::{Cli, Ended, cache_dir, cargo, crosslens, detector_gcp, model_cache, proxy_aws, run},
    boto::{Boto, BotoError, KEY, REGION, SECRET},
    chromium::{chromedriver, chromium, found_or_installed},
    counted::{Counted, Took},
    detector::{Detector, Start},
    detector_stand_in::{DetectorStandIn, Received},
    events::{Events, Sent},
    files::{cases_dir, target_dir, workspace_root},
    function_zip::{arm64_function_zip, bare_zip, function_zip, hello_zip},
    google_stand_in::{GoogleStandIn, PROVIDER},
    http::{Picture, client, numbered_picture, serve_picture},
    lambda::{Failed, Function},
    ledger_table::ledger_table,
    made_up_bucket::made_up_backfill,
    node::node_with,
    process::{Memory, alive, children, memory, signal, wait_until, wait_until_async},
    python::{
        aws_python, bench_python, infra_python, lambda_python, moto_python, photo, photos, python, sam_python,
        twilio_python,
    },
    rekognition_stand_in::{Asked, Painted, RekognitionStandIn, Remembered, Vectors, painted},
    server::{Builder, Server},
    sigv4::{ACCESS_KEY, SECRET_KEY, Signed},
    translate_stand_in::{Text, TranslateStandIn},
    twilio_stand_in::{Mood, Sms, TwilioStandIn},
    vision_stand_in::{Call, Reply, VisionStandIn},
    wikipedia_stand_in::WikipediaStandIn,
};
