//! `crosslens label` over a folder of many files: memory does not grow with their number.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use tests::{crosslens, memory, model_cache, numbered_picture};

/// A tenth of the largest folder that the benchmark `many` measures.
const FILES: u32 = 10_000;

fn fill(folder: &Path) {
    for number in 0..FILES {
        let below = folder.join((number / 1000).to_string());
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("{number}.bmp")), numbered_picture(number)).unwrap();
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    model_cache();
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(folder.path());
    let mut label = Command::new(crosslens())
        .args(["label", "--format", "jsonl", "--data"])
        .args([data.path(), folder.path()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut rows, mut after_half, mut at_the_end) = (0, 0, 0);
    for line in BufReader::new(label.stdout.take().unwrap()).lines() {
        line.unwrap();
        rows += 1;
        if let Some(memory) = memory(label.id()) {
            at_the_end = memory.peak;
            after_half = if rows <= FILES / 2 { memory.peak } else { after_half };
        }
    }
    assert!(label.wait().unwrap().success());
    assert_eq!(rows, FILES);
    let grown = at_the_end.saturating_sub(after_half);
    assert!(grown < 4 << 20, "{grown} bytes more than the {after_half} after half of the files");
}
