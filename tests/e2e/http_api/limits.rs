//! Overload, deadlines, slow clients and a stop under load. The detector is one of the test's own that answers when told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::post as route};
use serde_json::{Value, json};
use tests::{Server, client, numbered_picture, wait_until_async};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{analysis, get, json, post, problem};

/// Far from any deadline that a test sets, and from the server's own where a test lengthens it.
const HANGS: Duration = Duration::from_secs(60);

/// A detector that takes every picture at once and answers one for each permit.
#[derive(Clone)]
struct Held {
    url: String,
    taken: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
}

impl Held {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = Self { url, taken: Arc::default(), permits: Arc::new(Semaphore::new(0)) };
        let state = held.clone();
        let router = Router::new().route("/v1/detect", route(async move || state.answer().await));
        tokio::spawn(async move { axum::serve(listener, router).await });
        held
    }

    async fn answer(&self) -> Json<Value> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        Json(json!({
            "id": "local-aaaaaaaaaaaaaaaaaaaaaaaaaa", "requestId": "x", "digest": format!("sha256:{}", "0".repeat(64)),
            "mediaType": "image/bmp", "width": 8, "height": 8, "provider": "held", "model": "1",
            "labels": [{ "description": "dot", "score": 0.5 }], "analyzedAt": "2026-11-20T10:00:00Z", "durationMs": 1,
            // The built-in policy's feature as well: an answer that lacks something is not remembered.
            "safeSearch": {
                "adult": "VERY_UNLIKELY", "violence": "VERY_UNLIKELY", "racy": "VERY_UNLIKELY",
                "medical": "VERY_UNLIKELY", "spoof": "VERY_UNLIKELY"
            }
        }))
    }

    async fn has_taken(&self, number: usize) {
        wait_until_async("the detector to be asked", async || {
            (self.taken.load(Ordering::SeqCst) >= number).then_some(())
        })
        .await;
    }

    fn release(&self, number: usize) {
        self.permits.add_permits(number);
    }

    fn server(&self, args: &[&str]) -> Server {
        Server::build().args(["--detector", &self.url]).args(args).without_model().start()
    }
}

/// A request on its way.
fn sent(server: &Server, number: u32) -> tokio::task::JoinHandle<Value> {
    tokio::spawn(analysis(post(server, numbered_picture(number))))
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_queue_callers_hear_at_once_when_to_come_back() {
    let held = Held::start().await;
    let server = held.server(&["--concurrency", "1", "--queue", "1"]);
    let working = sent(&server, 1);
    held.has_taken(1).await;
    let waiting = sent(&server, 2);
    wait_until_async("the queue to be full", async || {
        let metrics = get(&server, "/metrics").send().await.unwrap().text().await.unwrap();
        metrics
            .lines()
            .any(|line| line.starts_with("crosslens_admission_waiting") && line.ends_with(" 1"))
            .then_some(())
    })
    .await;
    for _ in 0..3 {
        problem(post(&server, numbered_picture(3)), "rate-limited", 429).await;
    }
    json(get(&server, "/health/live").send().await.unwrap(), 200).await;
    held.release(2);
    assert_eq!(working.await.unwrap()["provider"], "held");
    assert_eq!(waiting.await.unwrap()["provider"], "held");
    assert_eq!(held.taken.load(Ordering::SeqCst), 2, "a refused request reached the detector");
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_pictures_at_once_are_paid_for_once() {
    let held = Held::start().await;
    let server = held.server(&[]);
    let many: Vec<_> = (0..6)
        .map(|key| tokio::spawn(analysis(post(&server, numbered_picture(1)).header("idempotency-key", key))))
        .collect();
    held.has_taken(1).await;
    held.release(10);
    for one in many {
        assert_eq!(one.await.unwrap()["provider"], "held");
    }
    assert_eq!(held.taken.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_at_the_callers_deadline() {
    let held = Held::start().await;
    let server = held.server(&["--deadline", "600"]);
    let hurried = post(&server, numbered_picture(1)).header("x-crosslens-deadline-ms", "300");
    let refused = tokio::time::timeout(HANGS, problem(hurried, "deadline-exceeded", 504)).await;
    assert!(refused.is_ok(), "the caller's deadline is not known");
    held.release(10);
    assert_eq!(
        analysis(post(&server, numbered_picture(1))).await["provider"],
        "held",
        "the picture is spoilt for good"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_under_way() {
    let held = Held::start().await;
    let mut server = held.server(&[]);
    let (following, under_way) = (get(&server, "/events").send().await.unwrap(), sent(&server, 1));
    held.has_taken(1).await;
    tests::signal(server.pid(), "TERM");
    let address = server.address().to_owned();
    wait_until_async("the listener to close", async || TcpStream::connect(&address).await.is_err().then_some(())).await;
    held.release(1);
    assert_eq!(under_way.await.unwrap()["provider"], "held");
    let status = tokio::task::spawn_blocking(move || (server.wait(), server.stderr())).await.unwrap();
    assert!(status.0.success(), "{status:?}");
    drop(following);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let server = Server::start(["--deadline", "1"]);
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = "POST /v1/images HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 1000\r\n\r\nBM";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("deadline-exceeded"), "{answer}");
    json(get(&server, "/health/live").send().await.unwrap(), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_is_not_waited_for_for_ever() {
    let held = Held::start().await;
    let server = held.server(&["--head-timeout", "300ms", "--deadline", "600"]);
    let under_way = sent(&server, 1);
    held.has_taken(1).await;
    let (whole, half) =
        ("GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", "GET /health/live HTTP/1.1\r\nhost: 127");
    // The last one may still become HTTP/2.
    for begun in [half, &[whole, half].concat(), "", "PRI * HTTP/2.0\r\n"] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(begun.as_bytes()).await.unwrap();
        let cut = tokio::time::timeout(HANGS, socket.read_to_end(&mut Vec::new())).await;
        assert!(cut.is_ok(), "the rest of {begun:?} is waited for for ever");
        json(get(&server, "/health/live").send().await.unwrap(), 200).await;
    }
    // Its head came in time; its answer may take longer than that.
    held.release(1);
    assert_eq!(under_way.await.unwrap()["provider"], "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    let server = Server::start::<_, &str>([]);
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head =
        "POST /v1/images HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "a declared length was not refused at once: {answer}");

    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'B'; 64 * 1024]));
    let request = client().post(server.at("/v1/images")).body(reqwest::Body::wrap_stream(endless));
    // The server answers and closes while the client still writes: the client may see either first.
    if let Ok(response) = request.send().await {
        assert_eq!(response.status(), 413);
    }
    let put = client().put(server.at("/uploads/big.png")).body(vec![0; 21 << 20]).send().await;
    assert!(put.is_err() || put.unwrap().status() == 413);

    let mut liar = TcpStream::connect(server.address()).await.unwrap();
    liar.write_all(b"POST /v1/images HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    drop(liar);
    assert_eq!(analysis(get(&server, "/v1/images")).await["images"], json!([]));
    assert!(server.memory().peak < 400 << 20, "{:?}", server.memory());
}
