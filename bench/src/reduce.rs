//! A 12-megapixel JPEG made 640 pixels wide and written as a JPEG, on one core: ours beside libvips, in turns.

use std::{path::Path, process::Command, time::Instant};

use bytes::Bytes;
use common::intake::{Intake, Limits};
use image::{RgbImage, imageops::FilterType};

use crate::{
    classify::{figure, pinned},
    median,
};

/// Prints the ratio. Built without the feature `turbojpeg` it measures the general decoder.
pub(crate) fn run(seconds: f64, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.jpg");
    let bytes = large();
    std::fs::write(&path, &bytes).unwrap();
    let decoder = if cfg!(feature = "turbojpeg") { "libjpeg-turbo" } else { "the general decoder" };
    println!("reduce: 4000 × 3000 JPEG of {} KB to 640 × 480, with {decoder}", bytes.len() / 1000);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our = figure(this(seconds, &path));
        let their = figure(peer(seconds, &path));
        println!("  crosslens {our:.1} a second, libvips {their:.1} a second, ratio {:.2}", our / their);
        ours.push(our);
        theirs.push(their);
        ratios.push(our / their);
    }
    println!("  medians: {:.1} and {:.1} a second, ratio {:.2}", median(ours), median(theirs), median(ratios));
}

fn this(seconds: f64, path: &Path) -> Command {
    let mut command = pinned(&std::env::current_exe().unwrap());
    command.args(["reduce-one", &seconds.to_string()]).arg(path);
    command
}

fn peer(seconds: f64, path: &Path) -> Command {
    let script = tests::workspace_root().join("bench/peers/reduce.py");
    let mut command = pinned(tests::bench_python());
    command.arg(script).arg(seconds.to_string()).arg(path).env("VIPS_CONCURRENCY", "1");
    command
}

/// What `reduce` runs on one core: from the file's bytes in memory to the small file's.
pub(crate) fn one(seconds: f64, path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let intake = Intake::new(Limits::default());
    let reduce = || {
        let image = intake.admit(bytes.clone()).unwrap();
        let sent = runtime.block_on(intake.reduced(&image, 640, 480)).unwrap();
        assert_eq!((sent.width, sent.height), (640, 480));
    };
    reduce();
    let (mut done, started) = (0_u32, Instant::now());
    while started.elapsed().as_secs_f64() < seconds {
        reduce();
        done += 1;
    }
    println!("{}", f64::from(done) / started.elapsed().as_secs_f64());
}

/// A photograph enlarged, with some grain, so that it is as hard to decode as one from a camera.
pub(crate) fn large() -> Vec<u8> {
    let photo = image::open(tests::photo("astronaut.png")).unwrap().to_rgb8();
    let mut picture: RgbImage = image::imageops::resize(&photo, 4000, 3000, FilterType::CatmullRom);
    let mut state = 1_u32;
    for sample in picture.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = sample.saturating_add_signed((state >> 29) as i8 - 4);
    }
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
    bytes
}
