//! Images a second, decode to labels: one core beside Pillow + onnxruntime in turns, then all cores on a folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::median;

const PHOTOS: [&str; 6] =
    ["coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png", "camera.png", "motorcycle_left.png"];
const FOLDER: usize = 1000;

/// Where `crosslens` keeps the model.
pub(crate) fn cache() -> PathBuf {
    tests::cache_dir()
}

/// Prints the one-core ratio and the all-cores ratio.
pub(crate) fn run(seconds: f64, rounds: usize) {
    tests::model_cache();
    let photos: Vec<PathBuf> =
        tests::photos().iter().filter(|path| PHOTOS.iter().any(|name| path.ends_with(name))).cloned().collect();
    println!("classify: {} photographs, {rounds} rounds of {seconds} s each", photos.len());
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our = figure(one_core(seconds, &photos));
        let their = figure(peer(seconds, &photos));
        println!("  crosslens {our:.1} images/s, Pillow + onnxruntime {their:.1} images/s, ratio {:.2}", our / their);
        ours.push(our);
        theirs.push(their);
        ratios.push(our / their);
    }
    let one = median(ours);
    println!("one core: {one:.1} images/s, peer {:.1}, median ratio {:.2}", median(theirs), median(ratios));
    all_cores(&photos, one);
}

fn one_core(seconds: f64, photos: &[PathBuf]) -> Command {
    let mut command = pinned(&std::env::current_exe().unwrap());
    command.args(["one-core", &seconds.to_string()]).args(photos);
    command
}

fn peer(seconds: f64, photos: &[PathBuf]) -> Command {
    let script = tests::workspace_root().join("bench/peers/classify.py");
    let info = tests::run(["model", "info", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    let model = info["files"][0]["path"].as_str().unwrap().to_owned();
    let mut command = pinned(tests::python());
    command.arg(script).arg(model).arg(seconds.to_string()).args(photos).env("OMP_NUM_THREADS", "1");
    command
}

/// On the first core, so that neither side has a second one.
pub(crate) fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

pub(crate) fn figure(mut command: Command) -> f64 {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.unwrap_or_else(|| panic!("{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// `crosslens label` on a folder of different pictures: on one core, and on all of them.
fn all_cores(photos: &[PathBuf], one: f64) {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FOLDER {
        let photo = &photos[number % photos.len()];
        let extension = photo.extension().unwrap().to_str().unwrap();
        // Bytes after a picture's end make another digest of the same work.
        let mut bytes = std::fs::read(photo).unwrap();
        bytes.extend(number.to_be_bytes());
        std::fs::write(folder.path().join(format!("{number}.{extension}")), bytes).unwrap();
    }
    let (pinned, all) = (label(folder.path(), Some("0")), label(folder.path(), None));
    let cores = std::thread::available_parallelism().unwrap().get();
    println!(
        "`label` on {FOLDER} files, with start, ledger and events: one core {pinned:.1} images/s, {cores} cores {all:.1} images/s"
    );
    println!(
        "  that is {:.2} × cores × `label` on one core, and {:.2} × cores × the loop without a ledger above",
        all / (pinned * cores as f64),
        all / (one * cores as f64)
    );
}

/// Images a second of `crosslens label` on a folder that it has not seen.
fn label(folder: &Path, cpus: Option<&str>) -> f64 {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("taskset");
    let all = format!("0-{}", std::thread::available_parallelism().unwrap().get() - 1);
    command.args(["-c", cpus.unwrap_or(&all)]).arg(tests::crosslens()).args(["label", "--format", "jsonl", "--data"]);
    let started = Instant::now();
    let label = command.args([data.path(), folder]).output().unwrap();
    assert!(label.status.success(), "{}", String::from_utf8_lossy(&label.stderr));
    FOLDER as f64 / started.elapsed().as_secs_f64()
}
