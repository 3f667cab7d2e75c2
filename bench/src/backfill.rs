//! `backfill` of made-up objects, which are counted and sent to a queue that only counts: time should grow with their number,
//! memory should not.

use std::{process::Command, time::Instant};

/// Prints time and peak memory for a tenth and all of `objects`, each in a process of its own.
pub(crate) fn run(objects: u64) {
    println!(
        "backfill: listing, ids, messages' objects and the budget; S3, SQS and DynamoDB are stand-ins that only count"
    );
    for count in [objects / 10, objects] {
        let program = std::env::current_exe().unwrap();
        let ended = Command::new(program).args(["backfill-one", &count.to_string()]).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        print!("{}", String::from_utf8(ended.stdout).unwrap());
    }
}

/// One of them, in this process.
pub(crate) fn one(objects: u64) {
    let started = Instant::now();
    tests::made_up_backfill(objects);
    let seconds = started.elapsed().as_secs_f64();
    let peak = tests::memory(std::process::id()).unwrap().peak;
    println!(
        "{objects} objects: {seconds:.2} s, {:.2} µs an object, peak {:.1} MB",
        seconds * 1e6 / objects as f64,
        peak as f64 / 1e6
    );
}
