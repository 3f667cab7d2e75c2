//! What the function adds to a request when it is warm: the whole invocation, less the time in which it waited for the detector
//! or for AWS.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tests::aws_world::World;

use super::{DETECT, Timed, processor_seconds, spans};
use crate::known::picture;

/// What the detector is taken to need.
const ANSWER: Duration = Duration::from_millis(50);
const WARM_UP: usize = 30;

/// Prints p50 and p99 of both, and what is between them: the bare one makes the same calls with the same clients, whose own
/// work is a part of what an image costs with anybody's code.
pub(super) async fn run(world: &World, proxy: &Path, bare: &Path, requests: usize) {
    println!("  warm: POST /v1/images of {} KB, {requests} requests, each another picture", picture().len() / 1000);
    let ours = measured(world, "the function", proxy, requests).await;
    let least = measured(world, "the same calls alone", bare, requests).await;
    println!(
        "    more than the same calls alone: p50 {:.2} ms, p99 {:.2} ms",
        spans::at(&ours, 0.5) - spans::at(&least, 0.5),
        spans::at(&ours, 0.99) - spans::at(&least, 0.99)
    );
}

/// What was added to each request, sorted.
async fn measured(world: &World, name: &str, program: &Path, requests: usize) -> Vec<Duration> {
    let timed = Timed::start(program, &super::env(world)).await;
    world.detecting.forget_faults();
    world.detecting.slow_next(DETECT, WARM_UP + requests, ANSWER);
    let mut before = 0.0;
    for number in 0..WARM_UP + requests {
        if number == WARM_UP {
            timed.forget(world);
            before = processor_seconds(timed.function.pid());
        }
        let answer = timed.invoke(&upload(number)).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    let processor = (processor_seconds(timed.function.pid()) - before) / requests as f64;
    let (aws, detecting) = (world.aws.times(), world.detecting.times());
    let (mut whole, mut own, mut others, mut asked) = (vec![], vec![], vec![], vec![]);
    for span in spans::invocations(&timed.emulator.times()) {
        let calls = [spans::within(span, &aws), spans::within(span, &detecting)];
        let waited = spans::covered(span, calls.iter().flatten().copied());
        whole.push(spans::length(span));
        own.push(spans::length(span).saturating_sub(waited));
        asked.push(spans::covered(span, calls[1].iter().copied()));
        others.push(spans::covered(span, calls[0].iter().copied()));
    }
    let calls = aws.len() as f64 / whole.len() as f64;
    println!("    {name}:");
    let named =
        [("whole", &mut whole), ("detector", &mut asked), ("AWS (ministack)", &mut others), ("added", &mut own)];
    for (name, figures) in named {
        figures.sort();
        let [p50, p99] = [0.5, 0.99].map(|share| spans::at(figures, share));
        println!("      {name}: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
    let memory = tests::memory(timed.function.pid()).unwrap();
    println!(
        "      {calls:.1} calls of AWS and {:.1} ms of processor each; {:.1} MB resident at the end",
        processor * 1000.0,
        memory.resident as f64 / 1e6
    );
    own
}

/// The picture with other bytes behind its end, as a function URL hands it over.
fn upload(number: usize) -> Value {
    let bytes = [&picture()[..], &number.to_be_bytes()].concat();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/v1/images", "rawQueryString": "",
        "headers": { "host": "front.example", "x-forwarded-proto": "https", "content-type": "image/jpeg" },
        "requestContext": { "stage": "$default", "requestId": "r", "domainName": "front.example",
            "http": { "method": "POST", "path": "/v1/images", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "b" } },
        "isBase64Encoded": true, "body": data_encoding::BASE64.encode(&bytes),
    })
}
