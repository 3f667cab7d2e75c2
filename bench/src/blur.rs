//! A 12-megapixel JPEG blurred for everybody to see, decode to encode on one core: ours beside Pillow and libvips, in turns; and
//! how long one decision of a policy takes.

use std::{hint::black_box, path::Path, process::Command, time::Instant};

use bytes::Bytes;
use common::{
    analysis::{BoundingBox, Face, Findings, Label, Likelihood, SafeSearch, Text},
    intake::{Blur, Intake, Limits},
    moderation::Verdict,
};
use processors::moderation::{DEFAULT, Policy};

use crate::{
    classify::{figure, pinned},
    median,
    reduce::large,
};

/// Prints the ratios. Built without the feature `turbojpeg` it measures the general decoder.
pub(crate) fn run(seconds: f64, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.jpg");
    let bytes = large();
    std::fs::write(&path, &bytes).unwrap();
    let decoder = if cfg!(feature = "turbojpeg") { "libjpeg-turbo" } else { "the general decoder" };
    println!("blur: 4000 × 3000 JPEG of {} KB, with {decoder}", bytes.len() / 1000);
    let (mut ours, mut pillow, mut vips) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our = figure(this(seconds, &path));
        let [one, other] = ["pillow", "vips"].map(|name| figure(peer(name, seconds, &path)));
        println!(
            "  crosslens {our:.2} a second, Pillow {one:.2}, libvips {other:.2}, ratios {:.2} and {:.2}",
            our / one,
            our / other
        );
        ours.push(our);
        pillow.push(our / one);
        vips.push(our / other);
    }
    let ours = median(ours);
    println!("  medians: {ours:.2} a second, ratio to Pillow {:.2}, to libvips {:.2}", median(pillow), median(vips));
    decisions();
}

fn this(seconds: f64, path: &Path) -> Command {
    let mut command = pinned(&std::env::current_exe().unwrap());
    command.args(["blur-one", &seconds.to_string()]).arg(path);
    command
}

fn peer(name: &str, seconds: f64, path: &Path) -> Command {
    let script = tests::workspace_root().join("bench/peers/blur.py");
    let mut command = pinned(if name == "pillow" { tests::python() } else { tests::bench_python() });
    command.arg(script).args([name, &seconds.to_string()]).arg(path).env("VIPS_CONCURRENCY", "1");
    command
}

/// What `blur` runs on one core: from the file's bytes in memory to the blurred file's.
pub(crate) fn one(seconds: f64, path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let intake = Intake::new(Limits::default());
    let blur = || {
        let image = intake.admit(bytes.clone()).unwrap();
        let sent = runtime.block_on(intake.blurred(&image, Blur::default())).unwrap();
        assert_eq!((sent.width, sent.height), (4000, 3000));
    };
    blur();
    let (mut done, started) = (0_u32, Instant::now());
    while started.elapsed().as_secs_f64() < seconds {
        blur();
        done += 1;
    }
    println!("{}", f64::from(done) / started.elapsed().as_secs_f64());
}

/// The built-in policy about an ordinary picture, and a large policy about a full one.
fn decisions() {
    let no = Likelihood::VeryUnlikely;
    let safe = SafeSearch { adult: no, violence: no, racy: no, medical: no, spoof: no };
    let label = |number: u16| Label {
        description: format!("label {number}"),
        score: 0.9 - f32::from(number) / 200.0,
        mid: None,
    };
    let bounds = BoundingBox { left: 0.1, top: 0.1, width: 0.1, height: 0.1 };
    let full = Findings {
        labels: Some((0..100).map(label).collect()),
        safe_search: Some(safe),
        faces: Some(vec![Face { bounds, score: 0.9 }; 5]),
        text: Some(Text { content: "a menu with prices, ".repeat(20), blocks: vec![bounds; 10] }),
        ..Findings::default()
    };
    let mut large = DEFAULT.to_owned();
    for number in 0..20 {
        let conditions = format!(
            "{{ label = 'label {}', score = 0.5 }}, {{ label_matches = 'gun{number}|knife' }}, {{ text_matches = 'secret{number}' }}",
            number * 7
        );
        large += &format!("[[rule]]\nname = '{number}'\naction = 'review'\nany = [{conditions}]\n");
    }
    for (name, text) in [("the built-in policy", DEFAULT), ("21 rules with 40 patterns about 100 labels", &large)] {
        let policy = Policy::parse(text).unwrap();
        let (rounds, started) = (20_000_u32, Instant::now());
        for _ in 0..rounds {
            assert_ne!(black_box(policy.decide(black_box(&full))).verdict, Verdict::Undecided);
        }
        println!("decision: {name}: {:.3} µs", started.elapsed().as_secs_f64() / f64::from(rounds) * 1e6);
    }
}
