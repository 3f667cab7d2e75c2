//! Side-by-side benchmarks: each prints the figures of RESULTS.md, measured beside its peer in the same run.
//!
//! `cargo run --release -p bench -- all` runs everything; each command alone runs its part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing)]

mod backfill;
mod blur;
mod classify;
mod known;
mod lambda;
mod many;
mod messages;
mod one_core;
mod processors;
mod reduce;
mod start;
mod vision;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Decode to labels: one core beside Pillow + onnxruntime, then all cores on a folder
    Classify {
        /// Seconds of each round
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// What `classify` runs on one core
    #[command(hide = true)]
    OneCore { seconds: f64, pictures: Vec<std::path::PathBuf> },
    /// `POST /v1/images` of a known 70 KB picture at a constant rate
    Known {
        /// Requests a second
        #[arg(long, default_value_t = 500)]
        rate: u32,
        /// How long
        #[arg(long, default_value_t = 20)]
        seconds: u32,
    },
    /// Time to `ready`, memory when idle and over many requests
    Start {
        /// Requests after which the memory is read again
        #[arg(long, default_value_t = 50_000)]
        requests: usize,
    },
    /// `label` over growing folders of small files: time and memory
    Many {
        /// Files in the largest folder
        #[arg(long, default_value_t = 100_000)]
        files: usize,
    },
    /// `backfill` of growing numbers of made-up objects: time and memory
    Backfill {
        /// Objects in the largest bucket
        #[arg(long, default_value_t = 1_000_000)]
        objects: u64,
    },
    /// Recorded images through all processors of one machine
    Processors {
        /// Images
        #[arg(long, default_value_t = 10_000)]
        events: u64,
    },
    /// The webhook for messages at a constant rate, and the way of an answer to Twilio
    Messages {
        /// Messages a second
        #[arg(long, default_value_t = 200)]
        rate: u32,
        /// How long
        #[arg(long, default_value_t = 20)]
        seconds: u32,
    },
    /// What `backfill` runs in a process of its own
    #[command(hide = true)]
    BackfillOne { objects: u64 },
    /// The function on AWS's emulator: its zip, its start beside a hello world, what it adds, what an image costs
    Lambda {
        /// Starts of each side
        #[arg(long, default_value_t = 21)]
        rounds: usize,
        /// Warm requests
        #[arg(long, default_value_t = 400)]
        requests: usize,
        /// One part of it
        #[arg(long)]
        only: Option<lambda::Part>,
    },
    /// The detector in front of a stand-in for Vision: time added, requests a second, images in a call
    Vision {
        /// Seconds of each part
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
    /// A 12-megapixel JPEG to 640 pixels beside libvips; build with `--features turbojpeg`
    Reduce {
        /// Seconds of each round
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// What `reduce` runs on one core
    #[command(hide = true)]
    ReduceOne { seconds: f64, picture: std::path::PathBuf },
    /// A 12-megapixel JPEG blurred beside Pillow and libvips (build with `--features turbojpeg`), and one decision of a policy
    Blur {
        /// Seconds of each round
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// What `blur` runs on one core
    #[command(hide = true)]
    BlurOne { seconds: f64, picture: std::path::PathBuf },
    /// `detector-gcp --detector vision`: time to listening, memory when idle
    StartDetector,
    /// Everything, with the default figures
    All,
}

fn main() {
    common::http::use_ring();
    match Bench::parse().command {
        Command::Classify { seconds, rounds } => classify::run(seconds, rounds),
        Command::OneCore { seconds, pictures } => one_core::run(seconds, &pictures),
        Command::Known { rate, seconds } => known::run(rate, seconds),
        Command::Start { requests } => start::run(requests),
        Command::Many { files } => many::run(files),
        Command::Backfill { objects } => backfill::run(objects),
        Command::Processors { events } => processors::run(events),
        Command::Messages { rate, seconds } => messages::run(rate, seconds),
        Command::BackfillOne { objects } => backfill::one(objects),
        Command::Lambda { rounds, requests, only } => lambda::run(rounds, requests, only),
        Command::Vision { seconds } => vision::run(seconds),
        Command::Reduce { seconds, rounds } => reduce::run(seconds, rounds),
        Command::ReduceOne { seconds, picture } => reduce::one(seconds, &picture),
        Command::Blur { seconds, rounds } => blur::run(seconds, rounds),
        Command::BlurOne { seconds, picture } => blur::one(seconds, &picture),
        Command::StartDetector => start::detector(),
        Command::All => {
            classify::run(10.0, 5);
            known::run(500, 20);
            start::run(50_000);
            many::run(100_000);
            backfill::run(1_000_000);
            processors::run(10_000);
            messages::run(200, 20);
            lambda::run(21, 400, None);
            vision::run(10);
            reduce::run(5.0, 5);
            blur::run(5.0, 5);
            start::detector();
        }
    }
}

/// The middle of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
