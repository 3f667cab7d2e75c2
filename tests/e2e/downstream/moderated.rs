//! A photograph in the bucket: its verdict, its blurred form, its translations, its sidecar.

use std::fs;

use image::GenericImageView as _;
use serde_json::{Value, json};
use tests::{Events, client, photo, wait_until};

use super::{COFFEE_AND_CATS, Moderated, bytes_of, picture};

#[tokio::test(flavor = "multi_thread")]
async fn coffee_is_blurred_translated_and_written_about() {
    let up = Moderated::start(COFFEE_AND_CATS);
    let mut events = Events::follow_all(&up.server).await;
    let id = up.put("cups/coffee.png", bytes_of("coffee.png")).await;
    let moderated = events.about("image_moderated", &id).await;
    assert_eq!(moderated["type"], "dev.crosslens.image.moderated.v1");
    assert_eq!(moderated["id"], format!("{id}:moderated"));
    let data = &moderated["data"];
    assert_eq!((&data["verdict"], &data["rule"]), (&json!("blur"), &json!("coffee")), "{data}");

    let blurred = picture(&up.object(data["blurred"].as_str().unwrap()));
    let original = picture(photo("coffee.png"));
    assert_eq!(blurred.dimensions(), original.dimensions());
    assert!(detail(&blurred) * 10.0 < detail(&original), "{} against {}", detail(&blurred), detail(&original));
    assert!(difference(&blurred, &original) < 40.0, "the blurred picture has other colours altogether");
    let provenance: Value =
        serde_json::from_slice(&fs::read(up.object(&format!("derived/blurred/{id}.json"))).unwrap()).unwrap();
    assert_eq!(provenance["rule"], "coffee", "{provenance}");
    assert!(up.object("cups/coffee.png").exists(), "the original stays");

    let sidecar =
        up.sidecar("cups/coffee.png", |sidecar| !sidecar["moderation"].is_null() && !sidecar["translations"].is_null());
    assert_eq!(sidecar["analysis"]["labels"][0]["description"], "espresso");
    assert_eq!(sidecar["moderation"]["verdict"], "blur");
    let espresso = &sidecar["translations"]["translated"][0];
    assert_eq!(espresso["label"], "espresso");
    assert!(espresso["translations"]["es"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{espresso}");
    assert!(espresso["translations"]["fr"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{espresso}");

    // What was made of it goes with it.
    let erased = client().delete(up.server.at(&format!("/v1/images/{id}"))).send().await.unwrap();
    assert_eq!(erased.status(), 204);
    for gone in [data["blurred"].as_str().unwrap(), &format!("derived/blurred/{id}.json")] {
        assert!(!up.object(gone).exists(), "{gone}");
    }
    assert!(!up.object("derived/sidecars/cups/coffee.png.json").exists());
}

/// Mean difference of neighbours, 0 to 255.
fn detail(picture: &image::DynamicImage) -> f64 {
    let grey = picture.to_luma8();
    let pairs = grey.rows().flat_map(|row| {
        let row: Vec<u8> = row.map(|pixel| pixel.0[0]).collect();
        row.windows(2).map(|pair| f64::from(pair[0].abs_diff(pair[1]))).collect::<Vec<_>>()
    });
    let all: Vec<f64> = pairs.collect();
    all.iter().sum::<f64>() / all.len() as f64
}

fn difference(one: &image::DynamicImage, other: &image::DynamicImage) -> f64 {
    let (one, other) = (one.to_rgb8(), other.to_rgb8());
    let all: Vec<f64> = one.iter().zip(other.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_judge_is_undecided_and_left_alone() {
    let server = tests::Server::start::<_, &str>([]);
    wait_until("up to say that it cannot judge", || server.stdout().contains("undecided").then_some(()));
    let mut events = Events::follow_all(&server).await;
    let put = client().put(server.at("/uploads/coffee.png")).body(bytes_of("coffee.png")).send().await.unwrap();
    let id = put.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let moderated = events.about("image_moderated", &id).await;
    assert_eq!(moderated["data"]["verdict"], "undecided", "{moderated}");
    assert_eq!(fs::read(server.data().join("bucket/coffee.png")).unwrap(), bytes_of("coffee.png"));
    assert!(!server.data().join("bucket/derived/blurred").exists());

    // A file that is no picture cannot be judged either.
    let put = client().put(server.at("/uploads/notes.png")).body("no picture").send().await.unwrap();
    let id = put.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let moderated = events.about("image_moderated", &id).await;
    assert_eq!(moderated["data"]["verdict"], "undecided", "{moderated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_switch_moderation_off_nor_sees_what_it_needs() {
    let detector = tests::Detector::local().start();
    let policy = format!(
        "{COFFEE_AND_CATS}\n[[rule]]\nname = \"adult\"\naction = \"reject\"\nany = [{{ safe_search = \"adult\", at_least = \"LIKELY\" }}]\n"
    );
    let up = Moderated::build(&policy, tests::Server::build().args(["--detector", detector.url()]));
    let mut events = Events::follow_all(&up.server).await;
    let url = up.server.at("/v1/images?publish=false&features=labels");
    let answer = client().post(url).body(bytes_of("coffee.png")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let analysis: Value = answer.json().await.unwrap();
    assert!(analysis["unsupported"].is_null(), "the caller did not ask for safe search: {analysis}");
    let id = analysis["id"].as_str().unwrap();
    let labelled = events.about("image_labelled", id).await;
    assert_eq!(labelled["data"]["unsupported"], json!(["safe_search"]), "the policy needs it");
    let moderated = events.about("image_moderated", id).await;
    assert_eq!(moderated["data"]["verdict"], "undecided", "a rejection could not be ruled out: {moderated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_digest_asks_no_detector() {
    let bytes = bytes_of("coffee.png");
    let digest = common::image::Digest::of(&bytes);
    let up = Moderated::start(&format!("{COFFEE_AND_CATS}\n[deny]\ndigests = [\"{digest}\"]\n"));
    let mut events = Events::follow_all(&up.server).await;
    let answer = client().post(up.server.at("/v1/images")).body(bytes.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("/denied"), "{problem}");
    let id = up.put("coffee.png", bytes.clone()).await;
    let moderated = events.about("image_moderated", &id).await;
    assert_eq!(moderated["data"]["verdict"], "reject", "{moderated}");
    wait_until("the original to be out of sight", || (!up.object("coffee.png").exists()).then_some(()));
    assert_eq!(fs::read(up.object("derived/held/coffee.png")).unwrap(), bytes);
    let metrics = client().get(up.server.at("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("crosslens_analyses_total{"), "a detector was asked: {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_in_force_without_a_restart_and_a_broken_one_is_not() {
    let up = Moderated::start(COFFEE_AND_CATS);
    let mut events = Events::follow_all(&up.server).await;
    fs::write(&up.policy, COFFEE_AND_CATS.replace("action = \"blur\"", "action = \"bless\"")).unwrap();
    wait_until("the broken policy to be noticed", || up.server.stderr().contains("bless").then_some(()));
    let id = up.put("one.png", bytes_of("coffee.png")).await;
    assert_eq!(events.about("image_moderated", &id).await["data"]["verdict"], "blur", "the running policy stays");

    fs::write(&up.policy, COFFEE_AND_CATS.replace("action = \"blur\"", "action = \"quarantine\"")).unwrap();
    let mut number = 0;
    loop {
        number += 1;
        assert!(number < 100, "the new policy is not taken");
        let id = up.put(&format!("again-{number}.png"), bytes_of("coffee.png")).await;
        if events.about("image_moderated", &id).await["data"]["verdict"] == "quarantine" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}
