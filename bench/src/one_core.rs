//! Crosslens on one core, decode to labels, without ledger and wire: what the peer does, in the product's own code.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{
    analysis::Features,
    intake::{Intake, Limits},
    ports::Detect,
};
use detector_local::{LocalDetector, ModelConfig};

/// Goes round the pictures until `seconds` have passed; prints images a second.
pub(crate) fn run(seconds: f64, pictures: &[PathBuf]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let intake = Intake::new(Limits::default());
    let detector = LocalDetector::open(&crate::classify::cache(), &ModelConfig::default(), intake.clone()).unwrap();
    let (features, patience) = (Features::default(), Duration::from_secs(60));
    let classify = |path: &PathBuf| {
        let image = intake.admit(Bytes::from(std::fs::read(path).unwrap())).unwrap();
        runtime.block_on(detector.detect(&image, &features, patience)).unwrap()
    };
    pictures.iter().map(classify).for_each(drop);
    let (mut done, started) = (0_u32, Instant::now());
    while started.elapsed().as_secs_f64() < seconds {
        classify(&pictures[done as usize % pictures.len()]);
        done += 1;
    }
    println!("{}", f64::from(done) / started.elapsed().as_secs_f64());
}
