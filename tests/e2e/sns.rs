//! `POST /sns`: what moto and a stand-in for SNS sign is taken, and nothing else is, whatever is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use common::source::{FetchLimits, SourcePolicy, SystemResolver, WebFetcher};
use jiff::Timestamp;
use processors::sns::{Received, Rules, Verifier};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{Moto, Server, client, python, wait_until_async, workspace_root};
use tokio::{net::TcpListener, task::block_in_place};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:image_failed";
const ID: &str = "aws-aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What `sign.py` prints.
#[derive(Deserialize)]
struct Signed {
    certificates: BTreeMap<String, String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    name: String,
    body: String,
    genuine: bool,
}

impl Signed {
    fn body(&self, name: &str) -> String {
        self.messages.iter().find(|message| message.name == name).unwrap().body.clone()
    }
}

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": format!("{ID}:failed"), "type": "dev.crosslens.image.failed.v1", "source": "/crosslens/aws",
        "subject": ID, "time": "2026-11-20T10:00:00Z", "datacontenttype": "application/json",
        "data": {"id": ID, "problem": "undecodable-image", "detail": "the image is cut off"},
    })
}

fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        // Messages are not to grow old while something is built.
        tests::crosslens();
        let script = workspace_root().join("tests/e2e/sns/sign.py");
        let output = Command::new(python()).arg(script).args([TOPIC, &event().to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

/// A stand-in for AWS's own host: has the certificates, takes confirmations, and remembers what it was asked for.
#[derive(Clone, Default)]
struct Aws(Arc<Mutex<Vec<String>>>);

impl Aws {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = async |State(Aws(asked)): State<Aws>, uri: axum::http::Uri| {
            asked.lock().unwrap().push(uri.to_string());
            let certificate = signed().certificates.get(uri.path()).filter(|_| uri.query().is_none());
            match (certificate, uri.path(), uri.query()) {
                (Some(pem), ..) => (StatusCode::OK, pem.clone()),
                (None, "/", Some(query)) if query.contains("Action=ConfirmSubscription") => {
                    (StatusCode::OK, String::new())
                }
                _ => (StatusCode::NOT_FOUND, String::new()),
            }
        };
        let router = Router::new().fallback(get(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn confirmed(&self) -> usize {
        self.asked().iter().filter(|uri| uri.contains("Action=")).count()
    }

    async fn verifier(&self) -> Verifier {
        let url = self.start().await;
        let policy = SourcePolicy::new(vec![url.trim_start_matches("http://").parse().unwrap()]);
        let limits = FetchLimits { max_bytes: 64 * 1024, total: Duration::from_secs(60), redirects: 0 };
        let fetch = WebFetcher::new(policy, limits, Arc::new(SystemResolver)).unwrap();
        let topics = BTreeSet::from([TOPIC.to_owned()]);
        let rules = Rules { topics, max_age: Duration::from_hours(1), instead: Some(url.parse().unwrap()) };
        Verifier::new(rules, Arc::new(fetch))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_genuine_is_taken_and_nothing_else() {
    let (signed, aws) = (block_in_place(signed), Aws::default());
    let verifier = aws.verifier().await;
    for message in &signed.messages {
        let (confirmed, name) = (aws.confirmed(), &message.name);
        let received = verifier.receive(message.body.as_bytes(), Timestamp::now()).await;
        assert_eq!(received.is_ok(), message.genuine, "{name}: {received:?}");
        let confirms = message.genuine && name.starts_with("subscription");
        assert_eq!(aws.confirmed() - confirmed, usize::from(confirms), "{name}: {:?}", aws.asked());
        match received {
            Ok(Received::Event(event)) => assert_eq!(event.id, format!("{ID}:failed"), "{name}"),
            Ok(Received::Confirmed) => assert!(confirms, "{name}"),
            Ok(Received::Ended) => assert!(name.starts_with("end"), "{name}"),
            Err(_) => {}
        }
    }
    // Each certificate was asked for once, but for what is none.
    let good = aws.asked().iter().filter(|uri| uri.ends_with("-good.pem")).count();
    assert_eq!(good, 1, "{:?}", aws.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flipped_bit_is_taken() {
    let (signed, aws) = (block_in_place(signed), Aws::default());
    let verifier = aws.verifier().await;
    for name in ["notification 1", "notification 2", "subscription 1"] {
        let body = signed.body(name).into_bytes();
        let text = String::from_utf8(body.clone()).unwrap();
        // Neither is signed: nobody reads the first, and the stand-in has the same certificate for every region.
        let unsigned = [
            "\"UnsubscribeURL\": \"https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe\"",
            "\"SigningCertURL\": \"https://sns.eu-central-1.amazonaws.com",
        ];
        let free: Vec<std::ops::Range<usize>> = unsigned
            .iter()
            .map(|part| {
                let at = text.find(part).unwrap();
                at..at + part.len()
            })
            .collect();
        let mut taken = Vec::new();
        for bit in 0..body.len() * 8 {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if verifier.receive(&flipped, Timestamp::now()).await.is_ok() {
                taken.push(bit / 8);
            }
        }
        assert!(taken.iter().all(|at| free.iter().any(|range| range.contains(at))), "{name}: {taken:?}");
    }
}

/// A receiver of webhooks about `image_failed`: its arguments, and the ids that it was told.
async fn told() -> ([String; 4], Arc<Mutex<Vec<String>>>) {
    let (listener, ids) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Mutex::new(Vec::new())));
    let address = listener.local_addr().unwrap().to_string();
    let take = async |State(ids): State<Arc<Mutex<Vec<String>>>>, body: Bytes| {
        let event: Value = serde_json::from_slice(&body).unwrap();
        ids.lock().unwrap().push(event["id"].as_str().unwrap().to_owned());
    };
    let router = Router::new().route("/", post(take)).with_state(ids.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (["--webhook".into(), format!("t=image_failed=http://{address}/"), "--allow-target".into(), address], ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_from_aws_reach_the_processors_of_this_machine() {
    let (signed, aws) = (block_in_place(signed), Aws::default());
    let (args, ids) = told().await;
    let server = Server::build()
        .args(args)
        .args(["--sns-topic", TOPIC])
        .env("CROSSLENS_SNS_CERTIFICATES", aws.start().await)
        .env("CROSSLENS_API_KEYS", "0123456789abcdef")
        .start();
    let send = async |body: String| {
        let answer = client().post(server.at("/sns")).header("host", "tunnel.example").body(body).send().await.unwrap();
        let (status, problem) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default());
        (status, problem["detail"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(send(signed.body("subscription 1")).await.0, 200);
    assert_eq!(aws.confirmed(), 1);
    for name in ["notification 1", "notification 2", "notification 1"] {
        assert_eq!(send(signed.body(name)).await.0, 200, "{name}");
    }
    wait_until_async("the event", async || ids.lock().unwrap().first().cloned()).await;
    let refused = async |name: &str, status: u16, reason: &str| {
        let (answered, detail) = send(signed.body(name)).await;
        assert!(answered == status && detail.contains(reason), "{name}: {answered} {detail}");
    };
    refused("1 by another key", 403, "signature").await;
    refused("of a foreign topic", 403, "--sns-topic").await;
    refused("too old", 403, "too old").await;
    refused("of no version", 400, "SignatureVersion").await;
    refused("no event", 400, "not an event").await;
    refused("an event that lies elsewhere", 422, "bucket").await;
    refused("a certificate that is absent", 403, "certificate").await;
    assert_eq!(send("x".repeat(700 * 1024)).await.0, 413);
    assert_eq!(send("hello".to_owned()).await.0, 400);
    assert_eq!(*ids.lock().unwrap(), [format!("{ID}:failed")], "told once");
    // Everything else still asks for a key.
    assert_eq!(client().get(server.at("/v1/images")).send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_topic_there_is_no_such_route_and_a_tunnel_reaches_nothing_else() {
    let server = Server::start::<_, &str>([]);
    assert_eq!(client().post(server.at("/sns")).body("{}").send().await.unwrap().status(), 404);
    let server = Server::start(["--sns-topic", TOPIC]);
    let through = async |path: &str| {
        client()
            .post(server.at(path))
            .header("host", "tunnel.example")
            .body("{}")
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!((through("/sns").await, through("/v1/images").await, through("/sns/").await), (400, 403, 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moto_signs_is_taken() {
    let moto = block_in_place(Moto::start);
    // moto has its certificate only for who signs the request as one to SNS.
    let (upstream, listener) = (moto.url().to_owned(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let door = format!("http://{}", listener.local_addr().unwrap());
    let forward = async move |uri: axum::http::Uri| {
        let scope =
            "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/sns/aws4_request, SignedHeaders=host, Signature=0";
        let answer = client().get(format!("{upstream}{uri}")).header("authorization", scope).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(get(forward))).await });
    let boto = |operation: &str, params: Value| block_in_place(|| moto.boto().call("sns", operation, params));
    let topic = boto("create_topic", json!({ "Name": "image_failed" }))["TopicArn"].as_str().unwrap().to_owned();
    let (args, ids) = told().await;
    let server =
        Server::build().args(args).args(["--sns-topic", &topic]).env("CROSSLENS_SNS_CERTIFICATES", door).start();
    boto("subscribe", json!({ "TopicArn": topic, "Protocol": "http", "Endpoint": server.at("/sns") }));
    boto("publish", json!({ "TopicArn": topic, "Message": event().to_string() }));
    wait_until_async("the event", async || ids.lock().unwrap().first().cloned()).await;
    assert_eq!(*ids.lock().unwrap(), [format!("{ID}:failed")]);
}
