//! What the function adds to a request when it is warm: the whole invocation, less the time in which it waited for the detector
//! or for AWS.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tests::aws_world::World;

use super::{DETECT, Timed, spans};
use crate::known::picture;

/// What the detector is taken to need.
const ANSWER: Duration = Duration::from_millis(50);
const WARM_UP: usize = 30;

/// Prints p50 and p99.
pub(super) async fn run(world: &World, proxy: &Path, requests: usize) {
    let timed = Timed::start(proxy, &super::env(world)).await;
    world.detecting.slow_next(DETECT, WARM_UP + requests, ANSWER);
    for number in 0..WARM_UP + requests {
        if number == WARM_UP {
            timed.forget(world);
        }
        let answer = timed.invoke(&upload(number)).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
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
    println!(
        "  warm: POST /v1/images of {} KB, {} requests, each another picture",
        picture().len() / 1000,
        whole.len()
    );
    let named = [
        ("the invocation", &mut whole),
        ("of it the detector", &mut asked),
        ("of it AWS (ministack)", &mut others),
        ("added by the function", &mut own),
    ];
    for (name, figures) in named {
        figures.sort();
        let [p50, p99] = [0.5, 0.99].map(|share| spans::at(figures, share));
        println!("    {name}: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
    let memory = tests::memory(timed.function.pid()).unwrap();
    println!("    {calls:.1} calls of AWS each; {:.1} MB resident at the end", memory.resident as f64 / 1e6);
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
