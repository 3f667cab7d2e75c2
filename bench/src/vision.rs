//! The detector in front of a stand-in for Vision: time added to an answer that takes 50 ms, requests a second when it takes
//! none, and how full calls are once all of them are busy.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use reqwest::Client;
use tests::{Detector, VisionStandIn};
use tokio::runtime::Runtime;

use crate::known::picture;

/// What Vision is taken to need.
const ANSWER: Duration = Duration::from_millis(50);
const RATE: u32 = 200;

/// Prints all three.
pub(crate) fn run(seconds: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let vision = runtime.block_on(VisionStandIn::start());
    vision.count_only();
    let lifted = ["--quota-per-minute", "100000000", "--units-per-day", "1000000000"];
    let detector = Detector::vision(&vision.url()).args(lifted).env("RUST_LOG", "warn").start();
    let load =
        Load { client: Client::builder().no_proxy().build().unwrap(), picture: picture(), number: AtomicU32::new(0) };
    println!("vision: POST /v1/detect of {} KB, every picture another one", load.picture.len() / 1000);
    vision.delay(ANSWER);
    added(&runtime, &vision, &detector, &load, seconds);
    vision.delay(Duration::ZERO);
    throughput(&runtime, &detector, &load, seconds);
    vision.delay(ANSWER);
    fullness(&runtime, &vision, &detector, &load);
}

struct Load {
    client: Client,
    picture: Bytes,
    number: AtomicU32,
}

impl Load {
    /// The same picture with other bytes behind its end, which makes it another one.
    fn next(&self) -> Bytes {
        let mut bytes = BytesMut::from(&self.picture[..]);
        bytes.extend_from_slice(&self.number.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes.freeze()
    }

    async fn detect(&self, url: &str) {
        let answer = self.client.post(url).body(self.next()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }

    /// The same question to the stand-in itself, as whoever has no detector would ask it.
    async fn annotate(&self, url: &str) {
        let content = data_encoding::BASE64.encode(&self.next());
        let body = format!(
            r#"{{"requests": [{{"image": {{"content": "{content}"}}, "features": [{{"type": 4, "maxResults": 100}}]}}]}}"#
        );
        let answer = self.client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
}

/// Open loop: each request has its moment, and its latency counts from that moment.
fn added(runtime: &Runtime, vision: &VisionStandIn, detector: &Detector, load: &Load, seconds: u32) {
    let direct = format!("{}/v1/images:annotate", vision.url());
    let ours = detector.at("/v1/detect");
    let alone = latencies(runtime, seconds, || load.annotate(&direct));
    let with = latencies(runtime, seconds, || load.detect(&ours));
    let at = |latencies: &[Duration], share: f64| {
        latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
    };
    for (name, latencies) in [("asked directly", &alone), ("through the detector", &with)] {
        println!("  {name}: p50 {:.2} ms, p99 {:.2} ms at {RATE} a second", at(latencies, 0.5), at(latencies, 0.99));
    }
    let answer = ANSWER.as_secs_f64() * 1000.0;
    println!(
        "  added to the direct answer: p50 {:.2} ms, p99 {:.2} ms; beyond the {answer} ms: p50 {:.2} ms, p99 {:.2} ms",
        at(&with, 0.5) - at(&alone, 0.5),
        at(&with, 0.99) - at(&alone, 0.99),
        at(&with, 0.5) - answer,
        at(&with, 0.99) - answer,
    );
}

fn latencies<F: Future<Output = ()>>(runtime: &Runtime, seconds: u32, ask: impl Fn() -> F) -> Vec<Duration> {
    // Connections are opened before it counts.
    runtime.block_on(stream::iter(0..64).map(|_| ask()).buffer_unordered(32).collect::<Vec<()>>());
    let started = Instant::now();
    let timed = (0..RATE * seconds).map(|number| {
        let due = started + Duration::from_secs(1) * number / RATE;
        let work = ask();
        async move {
            tokio::time::sleep_until(due.into()).await;
            // The timer is exact to a millisecond; what it is late is not the detector's.
            let begun = Instant::now().max(due);
            work.await;
            begun.elapsed()
        }
    });
    let mut latencies = runtime.block_on(futures_util::future::join_all(timed));
    latencies.sort();
    latencies
}

fn throughput(runtime: &Runtime, detector: &Detector, load: &Load, seconds: u32) {
    let url = detector.at("/v1/detect");
    let work = |count: u32| stream::iter(0..count).map(|_| load.detect(&url)).buffer_unordered(128).count();
    runtime.block_on(work(2000));
    let count = 2000 * seconds;
    let started = Instant::now();
    runtime.block_on(work(count));
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    println!("  answers at once: {rate:.0} requests a second, client and stand-in on the same cores");
}

fn fullness(runtime: &Runtime, vision: &VisionStandIn, detector: &Detector, load: &Load) {
    let (url, before) = (detector.at("/v1/detect"), vision.images().len());
    runtime.block_on(stream::iter(0..6000).map(|_| load.detect(&url)).buffer_unordered(400).count());
    let images = vision.images();
    // The first calls find places free, and the last ones have nothing left to wait with them.
    let calls = &images[before + 32..images.len() - 32];
    let mean = calls.iter().sum::<usize>() as f64 / calls.len() as f64;
    println!("  saturated by 400 at a time: {mean:.1} images in a call");
}
