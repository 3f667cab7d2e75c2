//! The processors in the function, by the operator's files in their bucket: an upload becomes labels, translations, a verdict, a blurred
//! picture, tags, a sidecar and calls of a webhook; and a file that says nothing sensible stops a function before it does half of it.

use std::sync::{Arc, Mutex};

use axum::{Router, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tests::{
    Function,
    aws_world::{BUCKET, World, delivery, failures, notification},
    photo,
};

const CONFIG: &str = "config";
const ALL: &str = "moderation,translation,write-back,notify";
const POLICY: &str = "
[[rule]]
name = \"no coffee\"
action = \"blur\"
any = [{ label = \"espresso\", score = 0.5 }]
";

fn configure(world: &World, files: &[(&str, &str)]) {
    let boto = world.ministack.boto();
    let location = json!({ "LocationConstraint": tests::REGION });
    boto.call("s3", "create_bucket", json!({ "Bucket": CONFIG, "CreateBucketConfiguration": location }));
    for (key, text) in files {
        let body = json!({ "$bytes": data_encoding::BASE64.encode(text.as_bytes()) });
        boto.call("s3", "put_object", json!({ "Bucket": CONFIG, "Key": key, "Body": body }));
    }
}

/// Somebody who is told: what came, by its `webhook-id`.
async fn target() -> (String, Arc<Mutex<Vec<String>>>) {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = told.clone();
    let hear = move |headers: HeaderMap| {
        heard.lock().unwrap().push(headers["webhook-id"].to_str().unwrap().to_owned());
        std::future::ready(())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(hear))).await });
    (address, told)
}

fn object(world: &World, key: &str) -> Vec<u8> {
    let got = world.ministack.boto().call("s3", "get_object", json!({ "Bucket": BUCKET, "Key": key }));
    data_encoding::BASE64.decode(got["Body"]["$bytes"].as_str().unwrap().as_bytes()).unwrap()
}

/// Delivers what was published, and what that leads to, until nothing more is told.
async fn told_by_all(world: &World, function: &Function) -> Vec<Value> {
    let (mut all, mut new) = (Vec::new(), world.told());
    while !new.is_empty() {
        assert_eq!(failures(&function.invoke(&delivery(&new)).await.unwrap()), Vec::<String>::new());
        all.append(&mut new);
        new = world.told();
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_moderated_translated_written_back_and_told() {
    let world = World::new().await;
    let (address, heard) = target().await;
    let webhooks = format!(
        "[[webhook]]\nname = \"shop\"\nurl = \"http://{address}/\"\n\
         topics = [\"image_labelled\", \"image_moderated\", \"labels_translated\"]\n"
    );
    let glossary = "[es]\nespresso = \"cafecito\"\n";
    configure(&world, &[("policy.toml", POLICY), ("glossary.toml", glossary), ("webhooks.toml", &webhooks)]);
    let bucket = ("CROSSLENS_CONFIG_BUCKET", CONFIG);
    let labelling = world.function(&[bucket]);
    let processing = world.function(&[
        bucket,
        ("CROSSLENS_PROCESSORS", ALL),
        ("CROSSLENS_LANGUAGES", "es"),
        ("CROSSLENS_ALLOW_TARGET", &address),
    ]);
    let original = photo("coffee.png");
    let upload = notification(&[world.put_file("cups/coffee.png", original)]);
    assert_eq!(failures(&labelling.invoke(&delivery(&[upload])).await.unwrap()), Vec::<String>::new());

    let all = told_by_all(&world, &processing).await;
    let of = |kind: &str| {
        let mut found = all.iter().filter(|event| event["type"] == format!("dev.crosslens.{kind}.v1"));
        let one = found.next().unwrap_or_else(|| panic!("nobody tells {kind}: {all:#?}"));
        assert!(found.next().is_none(), "{kind} is told twice: {all:#?}");
        one["data"].clone()
    };
    assert_eq!((of("image.labelled")["source"].clone(), all.len()), (json!("s3://pictures/cups/coffee.png"), 3));
    let decided = of("image.moderated");
    assert_eq!((&decided["verdict"], &decided["rule"]), (&json!("blur"), &json!("no coffee")), "{decided:#}");
    let blurred = object(&world, decided["blurred"].as_str().unwrap());
    assert!(blurred.starts_with(b"\x89PNG") && blurred != std::fs::read(original).unwrap());
    let translated = of("labels.translated");
    let first = &translated["translated"][0];
    assert_eq!((&first["label"], &first["translations"]["es"]["text"]), (&json!("espresso"), &json!("cafecito")));

    let tags =
        world.ministack.boto().call("s3", "get_object_tagging", json!({ "Bucket": BUCKET, "Key": "cups/coffee.png" }));
    assert!(
        tags["TagSet"].as_array().unwrap().contains(&json!({ "Key": "crosslens-verdict", "Value": "blur" })),
        "{tags}"
    );
    let sidecar: Value = serde_json::from_slice(&object(&world, "derived/sidecars/cups/coffee.png.json")).unwrap();
    assert_eq!((&sidecar["moderation"], &sidecar["translations"]), (&decided, &translated));

    let ids = |events: &[Value]| {
        let mut ids: Vec<String> = events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let told_once = |count: usize| {
        let mut heard = heard.lock().unwrap().clone();
        heard.sort();
        assert_eq!((heard, all.len()), (ids(&all), count));
    };
    told_once(3);
    // All of it once more leads to nothing new.
    for _ in 0..2 {
        assert_eq!(failures(&processing.invoke(&delivery(&all)).await.unwrap()), Vec::<String>::new());
    }
    assert_eq!(world.told(), Vec::<Value>::new());
    told_once(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_refuses_brings_the_event_back_and_nobody_else_is_told_twice() {
    let world = World::new().await;
    let (address, heard) = target().await;
    let hook = |name: &str, path: &str| {
        format!("[[webhook]]\nname = \"{name}\"\nurl = \"http://{address}{path}\"\ntopics = [\"image_labelled\"]\n")
    };
    configure(&world, &[("webhooks.toml", &(hook("fine", "/") + &hook("broken", "/nowhere")))]);
    let processing = world.function(&[
        ("CROSSLENS_CONFIG_BUCKET", CONFIG),
        ("CROSSLENS_PROCESSORS", "notify"),
        ("CROSSLENS_ALLOW_TARGET", &address),
    ]);
    let upload = notification(&[world.put_file("coffee.png", photo("coffee.png"))]);
    world.function(&[]).invoke(&delivery(&[upload])).await.unwrap();
    let told = world.told();
    for _ in 0..3 {
        assert_eq!(failures(&processing.invoke(&delivery(&told)).await.unwrap()), ["0"], "it answers 404");
    }
    assert_eq!(heard.lock().unwrap().len(), 1, "who has taken it is not told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_by_half_a_policy() {
    let world = World::new().await;
    configure(&world, &[("policy.toml", "[[rule]]\nname = \"x\"\naction = \"explode\"\n")]);
    let function = world.function(&[("CROSSLENS_CONFIG_BUCKET", CONFIG)]);
    let upload = notification(&[world.put_file("coffee.png", photo("coffee.png"))]);
    assert!(function.invoke(&delivery(&[upload])).await.is_err());
    let log = function.log();
    assert!(log.contains("policy.toml") && log.contains("action"), "{log}");
    assert_eq!(world.told(), Vec::<Value>::new());
}
