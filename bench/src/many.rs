//! `label` over folders of small files: time should grow with their number, memory should not.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use image::{ImageFormat, Rgb, RgbImage};

/// Prints time and peak memory for a hundredth, a tenth and all of `files`.
pub(crate) fn run(files: usize) {
    tests::model_cache();
    println!("many: `label --format jsonl` over small files, nothing known before");
    for count in [files / 100, files / 10, files] {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), count);
        let (seconds, peak) = label(folder.path());
        println!(
            "{count} files: {seconds:.1} s, {:.2} ms a file, peak {} MB",
            seconds * 1000.0 / count as f64,
            peak / 1_000_000
        );
    }
}

/// Small pictures, all different.
fn fill(folder: &Path, count: usize) {
    for number in 0..count {
        let low = number.to_le_bytes();
        let picture = RgbImage::from_fn(16, 16, |x, y| Rgb([low[0] ^ x as u8, low[1] ^ y as u8, low[2]]));
        let below = folder.join((number / 1000).to_string());
        std::fs::create_dir_all(&below).unwrap();
        picture.save_with_format(below.join(format!("{number}.png")), ImageFormat::Png).unwrap();
    }
}

fn label(folder: &Path) -> (f64, u64) {
    let data = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut label = Command::new(tests::crosslens())
        .args(["label", "--format", "jsonl", "--data"])
        .args([data.path(), folder])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    loop {
        if let Some(memory) = tests::memory(label.id()) {
            peak = peak.max(memory.peak);
        }
        if let Some(status) = label.try_wait().unwrap() {
            assert!(status.success());
            return (started.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
