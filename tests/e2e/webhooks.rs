//! Webhooks: signed as Standard Webhooks has it, to addresses that the operator opened, each target on its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
};

use axum::{
    Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, response::IntoResponse, routing::any,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Cli, Ended, Server, client, numbered_picture, python, wait_until, wait_until_async, workspace_root};
use tokio::net::TcpListener;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA";
const NEXT_SECRET: &str = "whsec_bmV4dCBzZWNyZXQgb2YgdGhlIHNob3AsIDMyIGJ5dGVz";

/// What a target received, in order.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A target that answers everybody with this status and, for a redirect, this location; `None` hangs.
async fn target(answer: Option<(u16, &'static str)>) -> (String, Received) {
    let (listener, received) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Received::default());
    let address = listener.local_addr().unwrap().to_string();
    let take = async move |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        received.lock().unwrap().push((headers, body));
        match answer {
            Some((status, location)) => {
                (StatusCode::from_u16(status).unwrap(), [("location", location)]).into_response()
            }
            None => std::future::pending().await,
        }
    };
    let router = Router::new().fallback(any(take)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("webhooks.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn label(server: &Server, number: u32) -> String {
    let answer = client().post(server.at("/v1/images")).body(numbered_picture(number)).send().await.unwrap();
    let analysis: Value = answer.json().await.unwrap();
    analysis["id"].as_str().unwrap().to_owned()
}

fn dead(server: &Server, consumer: &str) -> Value {
    wait_until("a dead letter", || {
        let ended = Cli::new(["events", "dead", "--consumer", consumer, "--json", "--data"]).arg(server.data()).run();
        ended.stdout.lines().next().map(|line| serde_json::from_str(line).unwrap())
    })
}

/// What the official library and the published schemas say about each.
fn judged(webhooks: &[Value]) -> Vec<String> {
    let mut command = Command::new(python());
    command.arg(workspace_root().join("tests/e2e/webhooks/judge.py")).arg(workspace_root().join("docs/events"));
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all(Value::from(webhooks).to_string().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn webhook(secret: &str, (headers, body): &(HeaderMap, Bytes)) -> Value {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    json!({ "secret": secret, "headers": headers, "body": std::str::from_utf8(body).unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_library_takes_every_signature() {
    let (folder, (address, received)) = (TempDir::new().unwrap(), target(Some((204, ""))).await);
    let text = format!(
        "[[webhook]]\nname = \"shop\"\nurl = \"http://{address}/hook?token=hunter2\"\nsecrets = [\"{SECRET}\", \"{NEXT_SECRET}\"]\n"
    );
    let args = ["--webhooks".into(), file(&folder, &text), "--allow-target".into(), PathBuf::from(&address)];
    let server = Server::build().args(args).start();
    let mut ids: Vec<String> = Vec::new();
    for number in 0..3 {
        ids.push(format!("{}:labelled", label(&server, number).await));
    }
    std::fs::write(server.data().join("bucket/broken.png"), &numbered_picture(3)[..20]).unwrap();
    // Four about the pictures, four decisions, three translations.
    wait_until_async("eleven webhooks", async || (received.lock().unwrap().len() >= 11).then_some(())).await;
    let received = received.lock().unwrap().clone();
    let names: Vec<&str> = received.iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap()).collect();
    assert!(ids.iter().all(|id| names.contains(&id.as_str())), "{names:?}");
    for (headers, body) in &received {
        let event: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (headers["webhook-id"].to_str().unwrap(), headers["content-type"].to_str().unwrap()),
            (event["id"].as_str().unwrap(), "application/cloudevents+json")
        );
    }
    // Either secret will do, and nothing else.
    for secret in [SECRET, NEXT_SECRET] {
        let webhooks: Vec<Value> = received.iter().map(|one| webhook(secret, one)).collect();
        assert!(judged(&webhooks).iter().all(|verdict| verdict == "genuine"), "{:?}", judged(&webhooks));
    }
    let foreign = webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &received[0]);
    let mut changed = webhook(SECRET, &received[0]);
    changed["body"] = format!("{} ", changed["body"].as_str().unwrap()).into();
    let mut later = webhook(SECRET, &received[0]);
    let sent: i64 = later["headers"]["webhook-timestamp"].as_str().unwrap().parse().unwrap();
    later["headers"]["webhook-timestamp"] = (sent + 1).to_string().into();
    assert!(judged(&[foreign, changed, later]).iter().all(|verdict| verdict.contains("No matching signature")));
    assert!(!server.stderr().contains("hunter2") && !server.stderr().contains("whsec_"), "{}", server.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hangs_or_refuses_delays_nobody() {
    let (hanging, asked) = target(None).await;
    let (refusing, refused) = target(Some((500, ""))).await;
    let (well, taken) = target(Some((204, ""))).await;
    let mut args = Vec::new();
    for (name, address) in [("hanging", &hanging), ("refusing", &refusing), ("well", &well)] {
        args.extend(["--webhook".to_owned(), format!("{name}=image_labelled=http://{address}/")]);
        args.extend(["--allow-target".to_owned(), address.clone()]);
    }
    let server = Server::start(args);
    for number in 0..40 {
        label(&server, number).await;
    }
    wait_until_async("everything at the one that is well", async || (taken.lock().unwrap().len() == 40).then_some(()))
        .await;
    assert!(!asked.lock().unwrap().is_empty() && !refused.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_not_asked_again_and_no_redirect_is_followed() {
    let (elsewhere, strayed) = target(Some((204, ""))).await;
    let location: &'static str = format!("http://{elsewhere}/").leak();
    let (gone, asked) = target(Some((410, ""))).await;
    let (moved, tried) = target(Some((307, location))).await;
    let mut args = vec!["--allow-target".to_owned(), elsewhere];
    for (name, address) in [("gone", &gone), ("moved", &moved)] {
        args.extend(["--webhook".to_owned(), format!("{name}=image_labelled=http://{address}/")]);
        args.extend(["--allow-target".to_owned(), address.clone()]);
    }
    let server = Server::build().args(args).env("CROSSLENS_RETRY_FIRST_MS", "10").start();
    let id = label(&server, 1).await;
    let letter = dead(&server, "notify:gone");
    assert_eq!((&letter["tries"], &letter["id"]), (&1.into(), &format!("{id}:labelled").into()), "{letter}");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let letter = dead(&server, "notify:moved");
    assert!(letter["tries"] == 5 && letter["error"].as_str().unwrap().contains("307"), "{letter}");
    let names: Vec<_> = tried.lock().unwrap().iter().map(|(headers, _)| headers["webhook-id"].clone()).collect();
    assert_eq!(names, vec![format!("{id}:labelled"); 5], "one id for every try");
    assert!(strayed.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_is_a_failing_delivery_that_says_why() {
    let args = ["--webhook", "inside=image_labelled=http://localhost/"];
    let server = Server::build().args(args).env("CROSSLENS_RETRY_FIRST_MS", "10").start();
    label(&server, 1).await;
    let letter = dead(&server, "notify:inside");
    assert!(letter["error"].as_str().unwrap().contains("--allow-target localhost:80 opens it"), "{letter}");
}

#[test]
fn what_is_wrong_with_targets_is_said_at_once_at_the_start() {
    let folder = TempDir::new().unwrap();
    let refused = |args: &[&str]| -> Ended {
        let ended =
            Cli::new(["up", "--data"]).arg(folder.path()).args(args).env("CROSSLENS_LISTEN", "127.0.0.1:0").run();
        assert_eq!(ended.code, 2, "{ended:?}");
        ended
    };
    let text = "[[webhook]]\nname = \"a\"\nurl = \"https://u:hunter2@x.example/\"\nsecrets = [\"whsec_hunter2\"]\ncolour = 1\n\
                [[webhook]]\nname = \"b\"\nurl = \"http://10.0.0.1/?t=hunter2\"\n\
                [[webhook]]\nname = \"c\"\nurl = \"http://169.254.169.254/latest\"\n\
                [[webhook]]\nname = \"d\"\nurl = \"https://x.example:8080/\"\n";
    let path = file(&folder, text);
    let said =
        refused(&["--webhooks", path.to_str().unwrap(), "--webhook", "d=image_labelled=http://127.0.0.1:1/"]).stderr;
    for part in [
        "webhook a: url: the url holds credentials",
        "webhook a: secrets: ",
        "webhook a: there is no setting colour",
        "webhook b: the host has",
        "webhook c: the host has",
        "webhook d: port 8080 is not allowed, 80 and 443 are; --allow-target x.example:8080",
        "webhook d: --webhook has this name too",
        "--allow-target 127.0.0.1:1 opens it",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

/// The processor in Python, killed when this is dropped.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_in_another_language_takes_events() {
    let mut command = Command::new("python3");
    command.arg(workspace_root().join("docs/examples/processor.py")).arg("0").env("WEBHOOK_SECRET", SECRET);
    let mut example = Example(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let (out, (line, lines)) = (BufReader::new(example.0.stdout.take().unwrap()), mpsc::channel());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
    let next = || wait_until("a line of the processor", || lines.try_recv().ok());
    let ready = next();
    let url = ready.strip_prefix("ready ").unwrap();
    let folder = TempDir::new().unwrap();
    let text =
        format!("[[webhook]]\nname = \"python\"\nurl = \"{url}/\"\nsecrets = [\"{NEXT_SECRET}\", \"{SECRET}\"]\n");
    let args = [
        "--webhooks".into(),
        file(&folder, &text),
        "--allow-target".into(),
        PathBuf::from(url.trim_start_matches("http://")),
    ];
    let server = Server::build().args(args).start();
    let photo = std::fs::read(tests::photo("coffee.png")).unwrap();
    client().post(server.at("/v1/images")).body(photo).send().await.unwrap();
    // Decisions and translations may overtake it.
    let labelled = |line: &String| line.starts_with("dev.crosslens.image.labelled.v1 local-");
    let said = std::iter::repeat_with(next).find(labelled).unwrap();
    assert!(said.contains("espresso"), "{said}");
    // What is not signed is not taken.
    let forged = client().post(format!("{url}/")).header("webhook-id", "x").body("{}").send().await.unwrap();
    assert_eq!(forged.status(), 401);
}
