//! `crosslens backfill` on a real bucket, queue and table. Nobody works the queue off but the test itself, which stands in for
//! the stack: it takes the messages and records outcomes in the ledger under the ids that events would have.

mod big;
mod stack;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Counted, Ended, wait_until};

use stack::Stack;

/// What an event or a message says about an object.
fn described(body: &Value) -> (String, Option<String>, Option<String>, u64) {
    let object = &body["Records"][0]["s3"]["object"];
    let text = |name: &str| object[name].as_str().map(str::to_owned);
    (decoded(object["key"].as_str().unwrap()), text("versionId"), text("eTag"), object["size"].as_u64().unwrap())
}

/// A key as S3 encodes it in events.
fn decoded(key: &str) -> String {
    let (key, _) = url::form_urlencoded::parse(key.as_bytes()).next().unwrap();
    key.into_owned()
}

fn events(ended: &Ended, name: &str) -> Vec<Value> {
    let lines = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == name).collect()
}

#[test]
fn a_backfill_says_what_events_say() {
    for versioned in [false, true] {
        let stack = Stack::start();
        // The oldest object is from before the bucket kept versions.
        stack.put("before.jpg", b"first");
        if versioned {
            let status = json!({"Bucket": "photos", "VersioningConfiguration": {"Status": "Enabled"}});
            stack.boto().call("s3", "put_bucket_versioning", status);
        }
        let heard = stack.notified();
        for key in ["a dir/x+e'é&=%41.jpg", "plain.jpg", "plain.jpg", "gone.jpg", "ü/ /ö"] {
            stack.put(key, format!("{key} {}", stack.number()).as_bytes());
        }
        stack.boto().call("s3", "delete_object", json!({"Bucket": "photos", "Key": "gone.jpg"}));
        let told: Vec<_> = heard.bodies().iter().filter(|body| body["Records"].is_array()).map(described).collect();
        // Of a key that was written twice the last event is about what is there now.
        let wanted: BTreeSet<_> = ["a dir/x+e'é&=%41.jpg", "plain.jpg", "ü/ /ö"]
            .map(|key| told.iter().rfind(|told| told.0 == key).unwrap().clone())
            .into();
        assert!(wanted.iter().all(|told| told.1.is_some() == versioned), "{wanted:?}");
        let ended = stack.backfill(&["s3://photos", "--sample", "0"]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let sent: BTreeSet<_> = stack.messages().iter().map(described).collect();
        let (before, sent): (BTreeSet<_>, BTreeSet<_>) = sent.into_iter().partition(|told| told.0 == "before.jpg");
        assert_eq!(sent, wanted, "versioned: {versioned}");
        assert_eq!(before.first().unwrap().1, None, "what has no version has none in its id");
    }
}

#[test]
fn every_page_of_a_bucket_is_read_once() {
    for versioned in [false, true] {
        let stack = Stack::start();
        if versioned {
            let status = json!({"Bucket": "photos", "VersioningConfiguration": {"Status": "Enabled"}});
            stack.boto().call("s3", "put_bucket_versioning", status);
        }
        // Where versions are kept, those of this one go over the end of the first page.
        for _ in 0..if versioned { 500 } else { 1 } {
            stack.put("0800 x", stack.number().to_string().as_bytes());
        }
        for number in 0..1100 {
            stack.put(&format!("{number:04}+"), b"picture");
        }
        let ended = stack.backfill(&["s3://photos", "--sample", "0", "--json"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let counts = &events(&ended, "ended")[0]["counts"];
        assert_eq!((counts["listed"].as_u64(), counts["sent"].as_u64()), (Some(1101), Some(1101)), "{versioned}");
        let messages = stack.messages();
        let keys: BTreeSet<_> = messages.iter().map(|body| described(body).0).collect();
        assert_eq!((messages.len(), keys.len()), (1101, 1101));
    }
}

#[test]
fn only_what_has_no_outcome_is_sent_and_counted() {
    let stack = Stack::start();
    for key in ["2024/a.jpg", "2024/b.PNG", "2024/c", "2024/", "derived/x.jpg", "inbox/y", "2023/d.jpg"] {
        stack.put(key, if key.ends_with('/') { b"" } else { key.as_bytes() });
    }
    let ended = stack.backfill(&["s3://photos/", "--dry-run", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let counts = &events(&ended, "counted")[0]["counts"];
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((of("listed"), of("sent"), of("empty"), of("own")), (7, 4, 1, 2), "{counts}");
    assert!(stack.messages().is_empty(), "a dry run sends nothing");
    assert!(stack.backfill(&["status"]).stdout.contains("0 messages"), "and leaves no job");

    let ended = stack.backfill(&["s3://photos/2024/", "--suffix", "jpg,png", "--sample", "0"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("1 have another suffix"), "{}", ended.stdout);
    let sent = stack.messages();
    assert_eq!(
        sent.iter().map(|body| described(body).0).collect::<BTreeSet<_>>(),
        ["2024/a.jpg", "2024/b.PNG"].map(str::to_owned).into()
    );
    stack.label(&sent);
    let ended = stack.backfill(&["s3://photos/2024/", "--sample", "0"]);
    assert!(ended.stdout.contains("2 have an outcome already"), "{}", ended.stdout);
    assert_eq!(stack.messages().iter().map(|body| described(body).0).collect::<Vec<_>>(), ["2024/c"]);
    stack.backfill(&["s3://photos/2024/", "--all", "--sample", "0"]);
    assert_eq!(stack.messages().len(), 3);
}

#[test]
fn a_sample_is_labelled_before_the_rest_is_sent() {
    let stack = Stack::start();
    for number in 0..30 {
        stack.put(&format!("{number:02}.jpg"), format!("picture {number}").as_bytes());
    }
    let args = ["s3://photos", "--name", "all", "--sample", "10", "--json"];
    let (ended, sent) = stack.labelling(|| stack.backfill(&args));
    // Nobody is there to agree to the rest.
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(sent, 10);
    let sample = &events(&ended, "sample")[0];
    assert_eq!((sample["labelled"].as_u64(), sample["billedUnits"].as_u64()), (Some(9), Some(9)), "{sample}");
    assert_eq!(sample["failed"], json!({"undecodable-image": 1}));
    assert_eq!(sample["labels"], json!([{"label": "Cup", "images": 9}]));
    assert!((sample["usd"].as_f64().unwrap() - 0.0135).abs() < 1e-9, "{sample}");
    let status = stack.backfill(&["status", "all", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((status["state"].as_str(), status["counts"]["sent"].as_u64()), (Some("paused"), Some(10)));
    // Its name is taken until it is over.
    let ended = stack.backfill(&args);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--name"), "{}", ended.stderr);
    let ended = stack.backfill(&["resume", "all"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(stack.messages().len(), 20);
    let ended = stack.backfill(&["resume", "all"]);
    assert_eq!(ended.code, 2, "what is over is not gone on with: {}", ended.stdout);
}

#[test]
fn a_sample_nobody_labels_is_given_up_and_the_job_waits() {
    let stack = Stack::start();
    stack.put("a.jpg", b"a");
    let ended = stack.backfill(&["s3://photos", "--patience", "1", "--yes"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("dlq list"), "{}", ended.stderr);
    assert!(stack.backfill(&["status"]).stdout.contains("photos  paused  1 of 1"));
}

#[test]
fn the_budget_is_a_hard_stop() {
    let stack = Stack::start();
    for number in 0..20 {
        stack.put(&format!("{number:02}.jpg"), b"picture");
    }
    let args = ["s3://photos", "--sample", "0", "--price-per-image", "0.01", "--budget", "0.075"];
    let ended = stack.backfill(&args);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stdout.contains("7 of 20 images sent"), "{}", ended.stdout);
    assert_eq!(stack.messages().len(), 7);
    let ended = stack.backfill(&["resume", "photos", "--budget", "10"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(stack.messages().iter().map(|body| described(body).0).min().unwrap(), "07.jpg");
}

#[test]
fn pause_and_cancel_reach_a_running_process() {
    let stack = Stack::start();
    for number in 0..60 {
        stack.put(&format!("{number:02}.jpg"), b"picture");
    }
    let sent = || stack.depth() > 0;
    std::thread::scope(|scope| {
        // Slow enough to be met on its way, whatever the machine does.
        let running = scope.spawn(|| stack.backfill(&["s3://photos", "--sample", "0", "--rate", "1"]));
        wait_until("the first messages", || sent().then_some(()));
        let ended = stack.backfill(&["resume", "photos"]);
        assert_eq!(ended.code, 2, "two processes work on one job: {}", ended.stdout);
        assert_eq!(stack.backfill(&["pause", "photos"]).code, 0);
        let ended = running.join().unwrap();
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        assert!(ended.stdout.contains("resume photos"), "{}", ended.stdout);
    });
    let before = stack.messages().len();
    assert!(before < 60);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| stack.backfill(&["resume", "photos", "--rate", "1"]));
        wait_until("more messages", || sent().then_some(()));
        let ended = stack.backfill(&["cancel", "photos"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(running.join().unwrap().code, 3);
    });
    assert_eq!(stack.depth(), 0, "the queue is emptied");
    assert!(stack.backfill(&["status"]).stdout.contains("cancelled"));
    // A name that is free again begins from the beginning.
    assert_eq!(stack.backfill(&["s3://photos", "--sample", "0"]).code, 0);
    assert_eq!(stack.messages().len(), 60);
}

#[test]
fn an_inventory_is_read_instead_of_listing() {
    let stack = Stack::start();
    stack.boto().call("s3", "create_bucket", stack.bucket("lists"));
    let rows =
        "\"photos\",\"2024/a+b.jpg\",\"5\",\"e1\",\"STANDARD\"\n\"photos\",\"2023/c.jpg\",\"5\",\"e2\",\"STANDARD\"\n";
    stack.put_in("lists", "data/1.csv.gz", &stack::packed(rows));
    stack.put_in(
        "lists",
        "data/2.csv.gz",
        &stack::packed(
            "\"photos\",\"2024/d.jpg\",\"5\",\"e3\",\"GLACIER\"\n\"photos\",\"2024/e.jpg\",\"6\",\"e4\",\"\"\n",
        ),
    );
    let manifest = |format: &str| {
        json!({
            "sourceBucket": "photos", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
            "creationTimestamp": "1514944800000", "fileFormat": format, "fileSchema": "Bucket, Key, Size, ETag, StorageClass",
            "files": [{"key": "data/1.csv.gz", "size": 1}, {"key": "data/2.csv.gz", "size": 1}],
        })
        .to_string()
    };
    stack.put_in("lists", "m/manifest.json", manifest("CSV").as_bytes());
    stack.put_in("lists", "m/parquet.json", manifest("Parquet").as_bytes());
    let ended = stack.backfill(&["s3://photos/2024/", "--sample", "0", "--inventory", "s3://lists/m/manifest.json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("1 lie in an archive"), "{}", ended.stdout);
    let sent: BTreeSet<_> = stack.messages().iter().map(described).collect();
    let object = |key: &str, etag: &str, size| (key.to_owned(), None, Some(etag.to_owned()), size);
    assert_eq!(sent, [object("2024/a b.jpg", "e1", 5), object("2024/e.jpg", "e4", 6)].into());
    let ended = stack.backfill(&["s3://photos", "--inventory", "s3://lists/m/parquet.json"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("Parquet"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stumbles_ends_nothing() {
    let stack = Stack::start();
    for number in 0..30 {
        stack.put(&format!("{number:02}.jpg"), b"picture");
    }
    let counted = Counted::in_front_of(stack.url()).await;
    counted.fail_next("GET /photos*", 2, 503, "<Error><Code>SlowDown</Code><Message>slow down</Message></Error>");
    counted.fail_next("DynamoDB_20120810.UpdateItem", 1, 500, r#"{"__type":"InternalServerError"}"#);
    counted.fail_next("AmazonSQS.SendMessageBatch", 1, 500, r#"{"__type":"InternalFailure"}"#);
    let ended =
        tokio::task::block_in_place(|| stack.backfill_through(&counted.url(), &["s3://photos", "--sample", "0"]));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(stack.messages().len(), 30);
    assert_eq!(counted.calls("AmazonSQS.SendMessageBatch"), 4, "three batches, one of them twice");
}

#[test]
fn what_is_missing_is_said() {
    let stack = Stack::start();
    let ended = stack.backfill(&["s3://nowhere", "--sample", "0"]);
    assert_eq!(ended.code, 1, "a bucket that is not there is not an empty one: {}", ended.stdout);
    assert_eq!(stack.backfill(&["photos"]).code, 2);
    assert_eq!(stack.backfill(&["pause", "nothing"]).code, 1);
    assert_eq!(stack.backfill(&["status", "nothing"]).code, 1);
    let ended = tests::run(["backfill", "s3://photos"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("CROSSLENS_TABLE"), "{}", ended.stderr);
}
