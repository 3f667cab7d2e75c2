//! Ten uploads in one delivery: their questions to the detector run side by side.

use std::{path::Path, time::Duration};

use tests::aws_world::{World, delivery, failures, notification};

use super::{DETECT, Timed, spans};
use crate::{known::picture, median};

/// What the detector needs for each of the ten; Vision takes about as long.
const ANSWERS: [u64; 10] = [200, 220, 240, 260, 280, 300, 320, 340, 360, 400];
const ROUNDS: usize = 7;

/// Prints the whole beside the slowest answer.
pub(super) async fn run(world: &World, proxy: &Path) {
    let timed = Timed::start(proxy, &super::env(world)).await;
    let (mut whole, mut slowest, mut ratios, mut without) = (vec![], vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let bodies: Vec<_> = (0..10)
            .map(|n| {
                let bytes = [&picture()[..], format!("{round} {n}").as_bytes()].concat();
                notification(&[world.put(&format!("batch/{round}/{n}.jpg"), &bytes)])
            })
            .collect();
        world.detecting.forget_faults();
        for by in ANSWERS {
            world.detecting.slow_next(DETECT, 1, Duration::from_millis(by));
        }
        timed.forget(world);
        assert!(failures(&timed.invoke(&delivery(&bodies)).await).is_empty());
        if round == 0 {
            continue;
        }
        let (aws, detecting) = (world.aws.times(), world.detecting.times());
        let span = spans::invocations(&timed.emulator.times())[0];
        assert_eq!(detecting.len(), 10);
        let total = spans::length(span);
        let longest = detecting.iter().map(|took| took.ended - took.begun).max().unwrap();
        let waited = spans::covered(span, aws.iter().chain(&detecting));
        let asked = spans::covered(span, &detecting);
        // AWS alone: nobody was asking the detector meanwhile.
        let rest = total - (waited - asked);
        whole.push(total.as_secs_f64() * 1000.0);
        slowest.push(longest.as_secs_f64() * 1000.0);
        ratios.push(total.as_secs_f64() / longest.as_secs_f64());
        without.push(rest.as_secs_f64() / longest.as_secs_f64());
    }
    println!(
        "  batch of 10 uploads of {} KB: {:.0} ms, slowest answer {:.0} ms, median ratio {:.2}; without waits on AWS alone {:.2}",
        picture().len() / 1000,
        median(whole),
        median(slowest),
        median(ratios),
        median(without)
    );
}
