//! What a target is told, when an event counts as taken, and what is wrong with a file of targets.

use std::sync::Mutex;

use common::{analysis::Analysis, moderation::Moderation, request::Cloud, translation::Translations};
use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://shop.example/hook?token=hunter2";

/// Answers the same to everybody and keeps what it was given.
struct Receiver {
    answer: Result<Answered>,
    posted: Mutex<Vec<(HeaderMap, Bytes)>>,
}

impl Receiver {
    fn new(status: u16, retry_after: Option<u64>) -> Arc<Self> {
        let retry_after = retry_after.map(std::time::Duration::from_secs);
        let answer = Ok(Answered { status: StatusCode::from_u16(status).unwrap(), retry_after });
        Arc::new(Self { answer, posted: Mutex::default() })
    }

    fn bodies(&self) -> Vec<Value> {
        self.posted.lock().unwrap().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

#[async_trait]
impl Post for Receiver {
    async fn post(&self, url: &SourceUrl, headers: HeaderMap, body: Bytes) -> Result<Answered> {
        assert_eq!(url.shown(), "https://shop.example/hook");
        self.posted.lock().unwrap().push((headers, body));
        self.answer.clone()
    }
}

fn target(more: &str) -> Target {
    let text = format!("[[webhook]]\nname = \"shop\"\nurl = \"{URL}\"\n{more}");
    targets(&text).unwrap_or_else(|problems| panic!("{problems:?}")).remove(0)
}

fn labelled() -> Event {
    let analysis = json!({
        "id": "local-aaaaaaaaaaaaaaaaaaaaaaaaaa", "requestId": "r", "digest": format!("sha256:{}", "0".repeat(64)),
        "mediaType": "image/jpeg", "width": 4, "height": 3, "provider": "google-vision", "model": "m",
        "labels": [{"description": "Espresso", "score": 0.9}],
        "faces": [{"bounds": {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2}, "score": 0.9}],
        "celebrities": [{"description": "Somebody", "score": 0.9}], "text": {"content": "a name", "blocks": []},
        "analyzedAt": "2026-11-20T10:00:00Z", "durationMs": 1,
    });
    Event::labelled(Cloud::Local, &serde_json::from_value::<Analysis>(analysis).unwrap(), None)
}

fn moderated(verdict: &str) -> Event {
    let moderation = json!({
        "id": "local-aaaaaaaaaaaaaaaaaaaaaaaaaa", "verdict": verdict, "policy": "0123456789ab",
        "fails": {"default": "closed", "consumers": {"shop": "open"}},
    });
    Event::moderated(Cloud::Local, &serde_json::from_value::<Moderation>(moderation).unwrap(), None, None)
}

fn translated() -> Event {
    let translations = json!({
        "id": "local-aaaaaaaaaaaaaaaaaaaaaaaaaa", "languages": ["es"],
        "translated": [{"label": "Espresso", "translations": {}}],
    });
    Event::translated(Cloud::Local, &serde_json::from_value::<Translations>(translations).unwrap(), None)
}

#[test]
fn filters_concern_what_they_ask_about() {
    let check = |more: &str, wanted: [bool; 4]| {
        let target = target(more);
        let events = [labelled(), translated(), moderated("reject"), moderated("undecided")];
        assert_eq!(events.map(|event| target.wants(&event)), wanted, "{more}");
    };
    check("", [true; 4]);
    check("labels = [\"cup\", \"ESPRESSO\"]", [true; 4]);
    check("labels = [\"cup\"]", [false, false, true, true]);
    check("providers = [\"local\"]", [false, true, true, true]);
    check("providers = [\"local\", \"google-vision\"]", [true; 4]);
    check("verdicts = [\"reject\"]", [true, true, true, false]);
    // The policy lets undecided images through to this target.
    check("verdicts = [\"allow\"]", [true, true, false, true]);
    assert!(!target("verdicts = [\"blur\"]").wants(&moderated("undecided")));
    let other = Target { name: "other".parse().unwrap(), ..target("verdicts = [\"allow\"]") };
    assert!(!other.wants(&moderated("undecided")) && other.wants(&moderated("allow")));
}

#[tokio::test]
async fn what_is_private_goes_only_where_it_may() {
    for (include, there) in [
        ("", vec![]),
        ("include = [\"text\"]", vec!["text"]),
        ("include = [\"faces\", \"celebrities\"]", vec!["celebrities", "faces"]),
    ] {
        let receiver = Receiver::new(204, None);
        Notify::new(target(include), receiver.clone()).process(&labelled()).await.unwrap();
        let body = &receiver.bodies()[0];
        let found: Vec<&str> =
            ["celebrities", "faces", "text"].into_iter().filter(|name| body["data"].get(*name).is_some()).collect();
        assert_eq!(found, there, "{body}");
        assert_eq!(body["data"]["labels"][0]["description"], "Espresso");
    }
}

#[tokio::test]
async fn an_unwanted_event_is_not_posted() {
    let receiver = Receiver::new(204, None);
    let notify = Notify::new(target("labels = [\"cup\"]\ntopics = [\"image_labelled\"]"), receiver.clone());
    assert_eq!((notify.name(), notify.consumes()), ("notify:shop", &[Topic::ImageLabelled][..]));
    assert_eq!(notify.process(&labelled()).await.unwrap(), Settlement::default());
    assert!(receiver.bodies().is_empty());
}

#[tokio::test]
async fn the_answer_decides_whether_the_event_comes_back() {
    for status in [200, 202, 204, 299] {
        Notify::new(target(""), Receiver::new(status, None)).process(&labelled()).await.unwrap();
    }
    for (status, wait, permanent) in [
        (301, None, false),
        (308, None, false),
        (400, None, false),
        (404, None, false),
        (410, Some(5), true),
        (429, Some(7), false),
        (500, None, false),
        (503, Some(86_400), false),
    ] {
        let error = Notify::new(target(""), Receiver::new(status, wait)).process(&labelled()).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{status}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), wait.filter(|_| !permanent), "{status}");
        assert!(error.message().contains(&status.to_string()) && !error.message().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn one_id_for_every_delivery_and_no_signature_without_a_secret() {
    let receiver = Receiver::new(500, None);
    let secrets = format!("secrets = [\"whsec_{0}\", \"whsec_{0}\"]", "aaaa".repeat(8));
    for target in [target(&secrets), target("")] {
        Notify::new(target, receiver.clone()).process(&labelled()).await.unwrap_err();
    }
    let posted = receiver.posted.lock().unwrap();
    assert!(posted.iter().all(|(headers, _)| headers["webhook-id"] == "local-aaaaaaaaaaaaaaaaaaaaaaaaaa:labelled"));
    assert_eq!(posted[0].0["content-type"], "application/cloudevents+json");
    assert_eq!(posted[0].0["webhook-signature"].to_str().unwrap().matches("v1,").count(), 2);
    assert!(!posted[1].0.contains_key("webhook-signature"));
}

#[test]
fn every_problem_is_named_at_once_and_no_secret_is() {
    let problems = targets(
        r#"
        speed = 3
        [[webhook]]
        name = "The shop"
        url = "ftp://shop.example"
        secrets = ["whsec_hunter2", 7]
        topics = ["image_labelled", "image_dropped"]
        [[webhook]]
        name = "a"
        url = "https://u:hunter2@shop.example/"
        verdicts = ["maybe"]
        include = ["souls"]
        labels = []
        secret = "hunter2"
        [[webhook]]
        name = "b"
        url = "https://shop.example/"
        [[webhook]]
        name = "b"
        url = "https://shop.example/"
        "#,
    )
    .unwrap_err();
    for part in [
        "no setting speed",
        "webhook 1: name: a name is",
        "webhook 1: url:",
        "webhook 1: secrets: a secret is whsec_",
        "webhook 1: secrets holds something",
        "webhook 1: topics: it is image_labelled, ",
        "webhook a: url: the url holds credentials",
        "webhook a: verdicts: it is allow, ",
        "webhook a: include: it is text, faces, celebrities",
        "webhook a: labels is a list",
        "webhook a: there is no setting secret",
        "webhook b: the name is given twice",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part} in {problems:#?}");
    }
    assert_eq!(problems.len(), 12, "{problems:#?}");
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:#?}");
}

#[test]
fn a_file_that_is_no_toml_shows_nothing_of_itself() {
    for text in [
        "[[webhook]]\nname = \"a\"\nsecrets = [\"whsec_hunter2\n",
        "[[webhook]]\nurl = hunter2\n",
        "webhook = \"hunter2\"",
    ] {
        let problems = targets(text).unwrap_err();
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
    assert!(targets("[[webhook]]\nname = \"a\"\nname = \"b\"").unwrap_err()[0].starts_with("line 3: "));
    assert!(targets("").unwrap().is_empty());
}

#[test]
fn a_target_shows_neither_its_url_nor_its_secrets() {
    let target = target(&format!("secrets = [\"whsec_{}\"]", "aaaa".repeat(8)));
    let shown = format!("{target:?}");
    assert!(shown.contains("shop") && !shown.contains("hunter2") && !shown.contains("aaaa"), "{shown}");
}
