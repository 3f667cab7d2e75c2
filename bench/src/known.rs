//! Latency of a known picture at a constant rate. Each request has its moment on the clock, and its latency counts from
//! that moment even when it was sent late, so that a stall is not hidden.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Client;
use tests::Server;
use tokio::runtime::Runtime;

/// Prints p50, p99 and the slowest.
pub(crate) fn run(rate: u32, seconds: u32) {
    let server = Server::build().env("RUST_LOG", "warn").start();
    let body = picture();
    println!("known: POST /v1/images of {} KB, {rate} requests a second for {seconds} s", body.len() / 1000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut latencies = load(&runtime, &server.at("/v1/images"), &body, rate, rate * seconds);
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("{} answers: p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms", latencies.len(), at(0.5), at(0.99), at(1.0));
}

fn load(runtime: &Runtime, url: &str, body: &Bytes, rate: u32, count: u32) -> Vec<Duration> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(64).build().unwrap();
    let post = |client: Client, url: String, body: Bytes| async move {
        let answer = client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    };
    // The first makes it known, the next warm the connections.
    for _ in 0..200 {
        runtime.block_on(post(client.clone(), url.to_owned(), body.clone()));
    }
    let started = Instant::now();
    let mut requests = Vec::new();
    for number in 0..count {
        let due = started + Duration::from_secs(1) * number / rate;
        // The runtime's own timer is exact to a millisecond only, which is as much as is measured.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let work = post(client.clone(), url.to_owned(), body.clone());
        requests.push(runtime.spawn(async move {
            work.await;
            due.elapsed()
        }));
    }
    runtime.block_on(async {
        let mut latencies = Vec::new();
        for request in requests {
            latencies.push(request.await.unwrap());
        }
        latencies
    })
}

/// A photograph as a JPEG of about 70 KB.
pub(crate) fn picture() -> Bytes {
    let photo = image::open(tests::photo("coffee.png")).unwrap().to_rgb8();
    let mut quality = 95;
    loop {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&photo).unwrap();
        if bytes.len() <= 72_000 {
            return Bytes::from(bytes);
        }
        quality -= 3;
    }
}
