//! What follows from a result: events to whoever tails them, webhooks with retries, dead letters and replay, and the export.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use axum::{Router, body::Bytes, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use tests::{Cli, Server, client, crosslens, numbered_picture, wait_until, wait_until_async};
use tokio::net::TcpListener;

/// A receiver of webhooks: refuses while it is `ill`, and remembers how often each event came.
#[derive(Clone, Default)]
struct Receiver {
    ill: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Receiver {
    /// Starts it, and says with which arguments it is told of labels as `shop`.
    async fn start(&self) -> [String; 4] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hook = format!("shop=image_labelled=http://{address}/hook");
        let receiver = self.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/cloudevents+json");
            let event: Value = serde_json::from_slice(&body).unwrap();
            if receiver.ill.load(Ordering::SeqCst) {
                receiver.refused.fetch_add(1, Ordering::SeqCst);
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            let id = event["id"].as_str().unwrap().to_owned();
            *receiver.taken.lock().unwrap().entry(id).or_default() += 1;
            StatusCode::NO_CONTENT
        };
        let router = Router::new().route("/hook", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        ["--webhook".to_owned(), hook, "--allow-target".to_owned(), address]
    }

    fn taken(&self) -> BTreeMap<String, usize> {
        self.taken.lock().unwrap().clone()
    }
}

async fn label(server: &Server, number: u32) -> Value {
    let answer = client().post(server.at("/v1/images")).body(numbered_picture(number)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

fn events(server: &Server, args: &[&str]) -> String {
    let ended = Cli::new(["events", "--data"]).arg(server.data()).args(args).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_tried_five_times_and_replayed_when_the_receiver_is_well() {
    let receiver = Receiver::default();
    receiver.ill.store(true, Ordering::SeqCst);
    let server = Server::build().args(receiver.start().await).env("CROSSLENS_RETRY_FIRST_MS", "10").start();
    let id = label(&server, 1).await["id"].as_str().unwrap().to_owned();
    let letters = wait_until("the event to be given up", || {
        let letters = events(&server, &["dead", "--consumer", "notify:shop", "--json"]);
        (!letters.is_empty()).then_some(letters)
    });
    let letter: Value = serde_json::from_str(letters.trim()).unwrap();
    assert_eq!((&letter["id"], &letter["tries"]), (&format!("{id}:labelled").into(), &5.into()), "{letter}");
    assert_eq!(receiver.refused.load(Ordering::SeqCst), 5);

    receiver.ill.store(false, Ordering::SeqCst);
    let next = label(&server, 2).await["id"].as_str().unwrap().to_owned();
    assert!(events(&server, &["replay", "--consumer", "notify:shop", "--dead"]).contains("notify:shop: 1"));
    let wanted = BTreeMap::from([(format!("{id}:labelled"), 1), (format!("{next}:labelled"), 1)]);
    wait_until_async("both events to be taken", async || (receiver.taken() == wanted).then_some(())).await;
    assert_eq!(events(&server, &["dead", "--json"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_where_it_was() {
    let receiver = Receiver::default();
    let mut server = Server::build().args(receiver.start().await).start();
    for number in 0..5 {
        label(&server, number).await;
    }
    wait_until_async("five events to be taken", async || (receiver.taken().len() == 5).then_some(())).await;
    assert!(server.sigterm().success());
    server.restart();
    label(&server, 99).await;
    wait_until_async("the sixth event to be taken", async || (receiver.taken().len() == 6).then_some(())).await;
    assert!(receiver.taken().values().all(|times| *times == 1), "{:?}", receiver.taken());
}

/// `events tail`, stopped when dropped.
struct Tail {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Tail {
    fn start(server: &Server, args: &[&str]) -> Self {
        let mut command = Command::new(crosslens());
        command.args(["events", "tail", "--data"]).arg(server.data()).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (pipe, (line, lines)) = (child.stdout.take().unwrap(), mpsc::channel());
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        wait_until("a line of `events tail`", || self.lines.try_recv().ok())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_from_another_process() {
    let server = Server::start::<_, &str>([]);
    let first = label(&server, 1).await["id"].clone();
    let tail = Tail::start(&server, &["--from-start", "--json", "--topic", "image_labelled"]);
    let event: Value = serde_json::from_str(&tail.next()).unwrap();
    assert_eq!((&event["subject"], &event["type"]), (&first, &"dev.crosslens.image.labelled.v1".into()));
    let second = label(&server, 2).await["id"].clone();
    let event: Value = serde_json::from_str(&tail.next()).unwrap();
    assert_eq!(event["subject"], second);

    std::fs::write(server.data().join("bucket/broken.png"), &tests::numbered_picture(3)[..20]).unwrap();
    let line = Tail::start(&server, &["--from-start", "--topic", "image_failed"]).next();
    assert!(line.contains("image_failed") && line.contains("bucket://local/broken.png"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_exported() {
    let server = Server::start::<_, &str>([]);
    let mut ids = Vec::new();
    // More than is read at a time.
    for number in 0..120 {
        ids.push(label(&server, number).await["id"].as_str().unwrap().to_owned());
    }
    let export = |format: &str| {
        let ended = Cli::new(["export", "--format", format, "--data"]).arg(server.data()).run();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    let lines: Vec<Value> = export("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut exported: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    exported.sort_unstable();
    ids.sort_unstable();
    assert_eq!(exported, ids);
    let csv = export("csv");
    let labels = lines.iter().map(|line| line["labels"].as_array().unwrap().len());
    assert_eq!(csv.lines().count(), 1 + labels.sum::<usize>(), "{csv}");
    assert!(csv.starts_with("id,") && ids.iter().all(|id| csv.contains(id)), "{csv}");
}
