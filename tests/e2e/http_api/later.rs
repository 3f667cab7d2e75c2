//! Features that may come later: pending, kept, and published when they are there.

use serde_json::{Value, json};
use tests::{DetectorStandIn, Events, Server, client, numbered_picture, wait_until_async};

use super::{analysis, get, json as expect_json, post_with, problem};

fn server(detector: &DetectorStandIn) -> Server {
    let build = Server::build().args(["--detector", &detector.url()]).without_model();
    build.env("CROSSLENS_RETRY_FIRST_MS", "1000").start()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_now_is_pending_and_published_when_it_is_there() {
    let detector = DetectorStandIn::start().await;
    let server = server(&detector);
    let mut events = Events::follow(&server).await;
    detector.always(200, DetectorStandIn::reading(false, &["labels", "text"]));
    // The promised work is held up until the detector has learnt to read.
    let asked = [("features", "labels"), ("later", "text")];
    let first = analysis(post_with(&server, numbered_picture(1), &asked)).await;
    assert_eq!((&first["pending"], first.get("unsupported")), (&json!(["text"]), None), "{first}");
    let path = format!("/v1/images/{}", first["id"].as_str().unwrap());
    assert_eq!(analysis(get(&server, &path)).await["pending"], json!(["text"]));
    let told = events.next().await.event;
    assert_eq!((&told["data"]["pending"], &told["data"]["id"]), (&json!(["text"]), &first["id"]));

    detector.always(200, DetectorStandIn::reading(true, &["text"]));
    let whole = wait_until_async("the text", async || {
        let now = analysis(get(&server, &path)).await;
        now.get("text").is_some().then_some(now)
    })
    .await;
    assert_eq!((&whole["text"]["content"], whole.get("pending"), &whole["id"]), (&json!("EXIT"), None, &first["id"]));
    let told = events.next().await.event;
    assert_eq!((&told["data"]["partOf"], &told["data"]["text"]["content"]), (&first["id"], &json!("EXIT")));
    assert_ne!(told["id"], json!(format!("{}:labelled", first["id"].as_str().unwrap())), "an event of its own");

    // Whoever asks again gets the whole, and who never asked for later is told what cannot be told.
    assert_eq!(analysis(post_with(&server, numbered_picture(1), &asked)).await["text"]["content"], "EXIT");
    let plain = analysis(post_with(&server, numbered_picture(1), &[("features", "labels,text")])).await;
    assert_eq!((&plain["unsupported"], plain.get("pending")), (&json!(["text"]), None));

    assert_eq!(client().delete(server.at(&path)).send().await.unwrap().status(), 204);
    let rest = format!("/v1/images/{}", told["data"]["id"].as_str().unwrap());
    problem(get(&server, &rest), "not-found", 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_told_is_not_put_off() {
    let detector = DetectorStandIn::start().await;
    let server = server(&detector);
    detector.always(200, DetectorStandIn::reading(true, &["labels", "text"]));
    let body = json!({ "imageUri": "http://127.0.0.1/", "later": ["hats"] });
    let refused: Value =
        expect_json(client().post(server.at("/v1/images")).json(&body).send().await.unwrap(), 400).await;
    assert!(refused["detail"].as_str().unwrap().contains("hats"), "{refused}");
    let asked = [("features", "labels"), ("later", "text")];
    let found = analysis(post_with(&server, numbered_picture(2), &asked)).await;
    assert_eq!((&found["text"]["content"], found.get("pending")), (&json!("EXIT"), None));
}
