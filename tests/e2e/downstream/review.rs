//! A person's part: what waits, previews that are blurred, decisions, and what follows from them.

use std::fs;

use image::GenericImageView as _;
use serde_json::{Value, json};
use tests::{Events, client, run, wait_until};

use super::{COFFEE_AND_CATS, Moderated, bytes_of};

fn review(up: &Moderated, args: &[&str]) -> (String, i32) {
    let data = up.server.data().to_str().unwrap();
    let ended = run([&["--data", data, "review"], args].concat());
    (format!("{}{}", ended.stdout, ended.stderr), ended.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cat_waits_for_a_person() {
    let up = Moderated::start(COFFEE_AND_CATS);
    let mut events = Events::follow_all(&up.server).await;
    let id = up.put("pets/chelsea.png", bytes_of("chelsea.png")).await;
    assert_eq!(events.about("image_moderated", &id).await["data"]["verdict"], "review");

    let (list, _) = review(&up, &["list"]);
    assert!(list.contains(&id) && list.contains("pets/chelsea.png") && list.contains("cats"), "{list}");
    let waiting: Value = client().get(up.server.at("/v1/reviews")).send().await.unwrap().json().await.unwrap();
    assert_eq!(waiting["waiting"][0]["moderation"]["id"], json!(id), "{waiting}");
    let preview = client().get(up.server.at(&format!("/v1/reviews/{id}/preview"))).send().await.unwrap();
    let preview = image::load_from_memory(&preview.bytes().await.unwrap()).unwrap();
    assert!(preview.width() <= 640 && preview.height() <= 640, "{:?}", preview.dimensions());

    let (refused, code) = review(&up, &["approve", &id, "--reviewer", "Ada", "--reason", " "]);
    assert_eq!(code, 2, "a reason is needed: {refused}");
    let (approved, code) = review(&up, &["approve", &id, "--reviewer", "Ada", "--reason", "only a cat"]);
    assert_eq!(code, 0, "{approved}");
    let moderated = events.about("image_moderated", &id).await;
    assert_eq!(moderated["id"], json!(format!("{id}:moderated-2")));
    assert_eq!(moderated["data"]["decidedBy"], "Ada");
    let sidecar = up.sidecar("pets/chelsea.png", |sidecar| sidecar["moderation"]["verdict"] == "allow");
    assert_eq!(sidecar["moderation"]["reason"], "only a cat");
    assert_eq!(review(&up, &["list"]).0.trim(), "");
    let (shown, _) = review(&up, &["show", &id]);
    assert!(shown.contains("allow by Ada: only a cat") && shown.contains("review by policy: cats"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_comes_back_when_a_person_says_so() {
    let up = Moderated::start(COFFEE_AND_CATS);
    let mut events = Events::follow_all(&up.server).await;
    let bytes = bytes_of("rocket.jpg");
    let id = up.put("rocket.jpg", bytes.clone()).await;
    assert_eq!(events.about("image_moderated", &id).await["data"]["verdict"], "quarantine");
    wait_until("the original to be held", || (!up.object("rocket.jpg").exists()).then_some(()));
    let body = json!({ "verdict": "allow", "reviewer": "Bo", "reason": "a museum piece" });
    let url = up.server.at(&format!("/v1/reviews/{id}"));
    let decided = client().post(&url).body(body.to_string()).send().await.unwrap();
    assert_eq!(decided.status(), 200);
    wait_until("the original to be back", || (fs::read(up.object("rocket.jpg")).ok()? == bytes).then_some(()));
    let shown: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["audit"].as_array().unwrap().len(), 2, "{shown}");

    // Coming back is no new upload: nothing is labelled or decided anew.
    tokio::time::sleep(super::A_WHILE).await;
    let shown: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!((shown["audit"].as_array().unwrap().len(), &shown["moderation"]["verdict"]), (2, &json!("allow")));

    for wrong in [json!({ "verdict": "blur", "reviewer": "Bo", "reason": "x" }), json!({ "verdict": "allow" })] {
        let answer = client().post(&url).body(wrong.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{wrong}");
    }
    let nothing = up.server.at("/v1/reviews/local-aaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!(client().post(nothing).body(body.to_string()).send().await.unwrap().status(), 404);
}
