//! How soon `up` is ready, what it holds when idle, and whether that grows with the requests.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::Client;
use tests::{Detector, Server};

use crate::median;

/// Prints time to `ready`, idle memory, and memory after a tenth and after all of `requests`.
pub(crate) fn run(requests: usize) {
    tests::model_cache();
    let starts: Vec<f64> = (0..7).map(|_| ready()).collect();
    println!("start: `up` with the model present is ready in {:.0} ms (median of 7)", median(starts) * 1000.0);
    let server = Server::build().env("RUST_LOG", "warn").start();
    std::thread::sleep(Duration::from_secs(3));
    println!("idle: {} MB resident", megabytes(&server));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sent = 0;
    for until in [requests / 10, requests / 2, requests] {
        runtime.block_on(send(&server.at("/v1/images"), sent, until));
        sent = until;
        println!("after {until} requests: {} MB resident", megabytes(&server));
    }
}

/// Prints the same for the detector service in front of Vision, of which nothing is asked.
pub(crate) fn detector() {
    let start = || Detector::vision("http://127.0.0.1:9").env("RUST_LOG", "warn");
    drop(start().start());
    let starts: Vec<f64> = (0..7)
        .map(|_| {
            let started = Instant::now();
            let detector = start().start();
            let seconds = started.elapsed().as_secs_f64();
            drop(detector);
            seconds
        })
        .collect();
    println!("start: `detector-gcp --detector vision` listens after {:.1} ms (median of 7)", median(starts) * 1000.0);
    let detector = start().start();
    std::thread::sleep(Duration::from_secs(3));
    println!("idle: {:.1} MB resident", tests::memory(detector.pid()).unwrap().resident as f64 / 1e6);
}

fn ready() -> f64 {
    let data = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut up = Command::new(tests::crosslens())
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(line.starts_with("ready "), "{line}");
    up.kill().unwrap();
    up.wait().unwrap();
    seconds
}

fn megabytes(server: &Server) -> u64 {
    server.memory().resident / 1_000_000
}

/// Every tenth picture is a new one, the others are known.
async fn send(url: &str, from: usize, to: usize) {
    let photo = std::fs::read(tests::photo("rocket.jpg")).unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let posts = stream::iter(from..to).map(|number| {
        let mut bytes = photo.clone();
        bytes.extend((number / 10).to_be_bytes());
        let post = client.post(url).body(Bytes::from(bytes)).send();
        async move { assert_eq!(post.await.unwrap().status(), 200) }
    });
    posts.buffer_unordered(8).for_each(async |()| {}).await;
}
