//! A backfill of many objects: memory does not grow with their number. The objects are made up, a tenth of the million that
//! `bench` takes; each number has a process of its own, because the most that one has used cannot be forgotten.

use std::process::Command;

/// What a peak may differ by, whatever the allocator does.
const SLACK: u64 = 4_000_000;

fn peak(of: &str) -> u64 {
    let name = format!("backfill::big::{of}");
    let mut test = Command::new(std::env::current_exe().unwrap());
    let ended = test.args(["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"]).output().unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{stdout}{}", String::from_utf8_lossy(&ended.stderr));
    let peak =
        stdout.lines().find_map(|line| line.split_once("peak=")).unwrap_or_else(|| panic!("no peak in {stdout}"));
    peak.1.trim().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_number_of_objects() {
    let (few, many) = (peak("ten_thousand"), peak("a_hundred_thousand"));
    assert!(many < few + SLACK, "{few} bytes for 10,000 objects, {many} for 100,000");
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn ten_thousand() {
    backfill(10_000);
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn a_hundred_thousand() {
    backfill(100_000);
}

#[expect(clippy::print_stdout, reason = "the way from one process to the other")]
fn backfill(objects: u64) {
    tests::made_up_backfill(objects);
    println!("peak={}", tests::memory(std::process::id()).unwrap().peak);
}
