//! What follows from labels on the deployed stack: verdict, blurred picture, translations, tags, sidecar and webhook.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tests::{Detector, Ministack, Stack, function_zip, photo, wait_until};

use super::{Subscribed, put};

const POLICY: &str = "
[[rule]]
name = 'coffee'
action = 'blur'
any = [{ label = 'espresso', score = 0.5 }]
";

type Told = Arc<Mutex<Vec<(String, Value)>>>;

/// Takes webhooks, and remembers their ids and bodies. It is there as long as the test's runtime.
async fn receiver() -> (String, Told) {
    let told = Told::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let kept = told.clone();
    let take = async move |headers: HeaderMap, body: Bytes| {
        assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"), "{headers:?}");
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push((id, serde_json::from_slice(&body).unwrap()));
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(take))).await });
    (address, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn coffee_is_blurred_translated_tagged_and_told() {
    let (address, told) = receiver().await;
    tokio::task::block_in_place(|| follow(&address, &told));
}

fn follow(address: &str, told: &Told) {
    let detector = Detector::local().start();
    let ministack = Ministack::start();
    let settings = [("CROSSLENS_ALLOW_UNAUTHENTICATED", "true"), ("CROSSLENS_ALLOW_TARGET", address)];
    let stack = Stack::deploy(&ministack, function_zip(), &[("Detectors", detector.url())], &settings);
    let hook = format!(
        "[[webhook]]\nname = 'shop'\nurl = 'http://{address}/hook'\ntopics = ['image_moderated']\n\
         secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\n"
    );
    for (key, text) in [("policy.toml", POLICY), ("webhooks.toml", &hook)] {
        let bytes = json!({"$bytes": data_encoding::BASE64.encode(text.as_bytes())});
        let file = json!({"Bucket": stack.output("ConfigBucket"), "Key": key, "Body": bytes});
        ministack.boto().call("s3", "put_object", file);
    }
    let topics = [stack.output("ImageModerated"), stack.output("LabelsTranslated")];
    let events = Subscribed::to(&ministack, &topics);
    put(&ministack, &stack, "cups/coffee.png", json!({"$file": photo("coffee.png").to_str().unwrap()}));
    let seen = events.wait_for(2);
    let of = |kind: &str| {
        let found = seen.values().find(|event| event["type"].as_str().unwrap().contains(kind));
        found.unwrap_or_else(|| panic!("{kind}: {seen:#?}"))["data"].clone()
    };
    let moderated = of("moderated");
    assert_eq!((&moderated["verdict"], &moderated["rule"]), (&json!("blur"), &json!("coffee")), "{moderated}");
    let espresso = &of("translated")["translated"][0];
    assert_eq!(espresso["label"], "espresso");
    assert!(espresso["translations"]["fr"]["text"].is_string(), "{espresso}");

    let bucket = stack.output("Bucket");
    let blurred = object(&ministack, bucket, moderated["blurred"].as_str().unwrap()).expect("a blurred picture");
    let blurred = image::load_from_memory(&blurred).unwrap();
    assert_eq!((blurred.width(), blurred.height()), (600, 400));
    let sidecar = wait_until("the sidecar to be complete", || {
        let sidecar = object(&ministack, bucket, "derived/sidecars/cups/coffee.png.json")?;
        let sidecar: Value = serde_json::from_slice(&sidecar).unwrap();
        (!sidecar["moderation"].is_null() && !sidecar["translations"].is_null()).then_some(sidecar)
    });
    assert_eq!(sidecar["analysis"]["labels"][0]["description"], "espresso");
    let tags = wait_until("the original to be tagged", || {
        let asked = json!({"Bucket": bucket, "Key": "cups/coffee.png"});
        let tags = ministack.boto().call("s3", "get_object_tagging", asked)["TagSet"].take();
        (!tags.as_array().unwrap().is_empty()).then_some(tags)
    });
    let tag = |name: &str| {
        let tag = tags.as_array().unwrap().iter().find(|tag| tag["Key"] == name);
        tag.unwrap_or_else(|| panic!("{name}: {tags}"))["Value"].clone()
    };
    assert_eq!(tag("crosslens-verdict"), "blur");
    assert!(tag("crosslens-labels").as_str().unwrap().starts_with("espresso"), "{tags}");
    let (id, body) = wait_until("the webhook", || told.lock().unwrap().first().cloned());
    assert_eq!((id, &body["data"]["verdict"]), (body["id"].as_str().unwrap().to_owned(), &json!("blur")));

    for queue in ["ModerationDeadLetters", "TranslationDeadLetters", "WriteBackDeadLetters", "NotifyDeadLetters"] {
        assert_eq!(super::waiting(&ministack, stack.output(queue)), 0, "{queue}");
    }
}

fn object(ministack: &Ministack, bucket: &str, key: &str) -> Option<Vec<u8>> {
    let got = ministack.boto().try_call("s3", "get_object", json!({"Bucket": bucket, "Key": key})).ok()?;
    let body = got["Body"]["$bytes"].as_str().or_else(|| got["Body"].as_str())?;
    data_encoding::BASE64.decode(body.as_bytes()).ok()
}
