//! Our own events at a function that runs a processor: in every envelope, repeated, out of order, killed in between, and where there
//! is nothing to be done about one.

use common::{
    analysis::{Analysis, DetectorId, Findings, Label},
    derived::sidecar_key,
    event::Event,
    image::{Digest, MediaType},
    moderation::{AuditLine, FailRule, Moderation, ReviewItem, Verdict},
    ports::{Journal as _, Ledger as _, Outcome, Settled, Settlement},
    request::{Cloud, ImageId, ObjectRef, Query},
};
use futures_util::future::join_all;
use jiff::Timestamp;
use proxy_aws::{clients::Clients, dynamodb::DynamoLedger};
use serde_json::{Value, json};
use tests::{
    KEY, REGION, SECRET,
    aws_world::{BUCKET, World, delivery, failures, notification, schedule},
    numbered_picture, wait_until_async,
};

const WRITE_BACK: (&str, &str) = ("CROSSLENS_PROCESSORS", "write-back");
const TRANSACT: &str = "DynamoDB_20120810.TransactWriteItems";

/// A picture of the bucket that was labelled and decided about: its id, and the two events that say so.
struct Known {
    id: ImageId,
    key: String,
    labelled: Event,
    moderated: Event,
}

async fn ledger(world: &World) -> DynamoLedger {
    DynamoLedger::new(Clients::at(world.ministack.url(), REGION, KEY, SECRET).await.dynamodb, "ledger".to_owned())
}

/// What the pipeline and moderation have done, with nothing written back and nothing published yet.
async fn known(world: &World, n: u32, verdict: Verdict) -> Known {
    let (key, picture) = (format!("pets/{n} +é.bmp"), numbered_picture(n));
    let put = world.put(&key, &picture);
    let etag = put["s3"]["object"]["eTag"].as_str().unwrap().to_owned();
    let object = ObjectRef { bucket: BUCKET.to_owned(), key: key.clone(), version: None, etag };
    let id = object.id(Cloud::Aws, &Query::default());
    let label = Label { description: "Tiger cat, tabby".to_owned(), score: 0.9, mid: None };
    let analysis = Analysis {
        part_of: None,
        id: id.clone(),
        request_id: "r".to_owned(),
        digest: Digest::of(&picture),
        source: Some(format!("s3://{BUCKET}/{key}")),
        media_type: MediaType::Bmp,
        width: 40,
        height: 30,
        detector: DetectorId { provider: "test".to_owned(), model: "1".to_owned() },
        findings: Findings { labels: Some(vec![label]), ..Findings::default() },
        analyzed_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        duration_ms: 7,
    };
    let ledger = ledger(world).await;
    let labelled = Event::labelled(Cloud::Aws, &analysis, None);
    let claimed = ledger.claim(&id, std::time::Duration::from_secs(60), true).await.unwrap();
    let common::ports::Claimed::Won(claim) = claimed else { panic!("{claimed:?}") };
    let outcome = Outcome::Done(Box::new(analysis.clone()));
    ledger.record(&claim, &Query::default(), outcome, Some(&labelled)).await.unwrap();
    let moderation = Moderation {
        id: id.clone(),
        digest: Some(analysis.digest),
        source: analysis.source.clone(),
        verdict,
        rule: Some("cats".to_owned()),
        evidence: Vec::new(),
        policy: "0123456789ab".to_owned(),
        shadow: None,
        blurred: None,
        fails: FailRule::default(),
        decided_by: None,
        reason: None,
    };
    let moderated = Event::moderated(Cloud::Aws, &moderation, None, None);
    let since = Timestamp::now();
    let settlement = Settlement {
        events: vec![moderated.clone()],
        audit: vec![AuditLine::of(&moderation, since)],
        review: (verdict == Verdict::Review).then_some(ReviewItem { moderation, since }),
    };
    assert_eq!(ledger.settle("moderation", &labelled.id, &id, &settlement).await.unwrap(), Settled::Recorded);
    Known { id, key, labelled, moderated }
}

fn tags(world: &World, key: &str) -> Value {
    let answer = world.ministack.boto().call("s3", "get_object_tagging", json!({ "Bucket": BUCKET, "Key": key }));
    let tags = answer["TagSet"].as_array().unwrap().iter();
    tags.map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].clone())).collect()
}

fn object(world: &World, key: &str) -> Option<Value> {
    let got = world.ministack.boto().try_call("s3", "get_object", json!({ "Bucket": BUCKET, "Key": key })).ok()?;
    let bytes = data_encoding::BASE64.decode(got["Body"]["$bytes"].as_str().unwrap().as_bytes()).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn sidecar(world: &World, known: &Known) -> Option<Value> {
    let (bucket, key) = (BUCKET.to_owned(), known.key.clone());
    object(world, &sidecar_key(&ObjectRef { bucket, key, version: None, etag: String::new() }))
}

fn check_written_back(world: &World, known: &Known, verdict: &str) {
    let expected = json!({
        "crosslens-id": known.id, "crosslens-labels": "Tiger cat_ tabby", "crosslens-verdict": verdict,
    });
    assert_eq!(tags(world, &known.key), expected, "{}", known.key);
    let sidecar = sidecar(world, known).unwrap_or_else(|| panic!("no sidecar of {}", known.key));
    assert_eq!(sidecar["analysis"]["labels"][0]["description"], "Tiger cat, tabby");
    assert_eq!(sidecar["moderation"]["verdict"], verdict);
}

fn json_of(event: &Event) -> Value {
    serde_json::to_value(event).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_processed_in_whichever_envelope_it_comes() {
    let world = World::new().await;
    let function = world.function(&[WRITE_BACK]);
    let pictures = [known(&world, 1, Verdict::Allow).await, known(&world, 2, Verdict::Blur).await];
    let envelope = |event: &Event| json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:x:0:t", "Message": json_of(event).to_string() });
    // An upload in the same batch is labelled as ever.
    let upload = notification(&[world.put("new.bmp", &numbered_picture(3))]);
    let batch = [json_of(&pictures[0].labelled), envelope(&pictures[0].moderated), upload];
    assert_eq!(failures(&function.invoke(&delivery(&batch)).await.unwrap()), Vec::<String>::new());
    check_written_back(&world, &pictures[0], "allow");
    assert_eq!(world.told().len(), 1);

    let message = json_of(&pictures[1].moderated).to_string();
    let sns = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": message } }] });
    assert_eq!(function.invoke(&sns).await, Ok(Value::Null));
    check_written_back(&world, &pictures[1], "blur");

    let other = world.function(&[]);
    let answer = other.invoke(&delivery(&[json_of(&pictures[0].labelled)])).await.unwrap();
    assert_eq!(failures(&answer), ["0"], "a function without processors loses no event");
    assert!(other.log().contains("CROSSLENS_PROCESSORS"), "{}", other.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_repeat_in_any_order_are_settled_once() {
    let world = World::new().await;
    let mut pictures = Vec::new();
    for n in 0..6 {
        pictures.push(known(&world, n, if n % 2 == 0 { Verdict::Allow } else { Verdict::Quarantine }).await);
    }
    // Each one to three times, the decision before the labels or after, and two functions at a time.
    let order = [0, 7, 3, 10, 1, 4, 0, 5, 8, 2, 11, 1, 9, 5, 6, 0, 10, 4, 2, 7, 3, 11, 5, 8];
    let event = |n: usize| {
        let picture = &pictures[n % 6];
        json_of(if n < 6 { &picture.labelled } else { &picture.moderated })
    };
    let functions = [world.function(&[WRITE_BACK]), world.function(&[WRITE_BACK])];
    world.aws.reset();
    let halves = order.chunks(12).zip(&functions).map(|(half, function)| async move {
        for some in half.chunks(3) {
            let batch: Vec<Value> = some.iter().map(|n| event(*n)).collect();
            assert_eq!(failures(&function.invoke(&delivery(&batch)).await.unwrap()), Vec::<String>::new());
        }
    });
    join_all(halves).await;
    let ledger = ledger(&world).await;
    for (n, picture) in pictures.iter().enumerate() {
        check_written_back(&world, picture, if n % 2 == 0 { "allow" } else { "quarantine" });
        for event in [&picture.labelled, &picture.moderated] {
            assert!(ledger.is_settled("write-back", &event.id).await.unwrap(), "{}", event.id);
        }
    }
    // What is settled costs one read however often it comes.
    world.aws.reset();
    let again: Vec<Value> = (0..6).map(event).collect();
    assert_eq!(failures(&functions[0].invoke(&delivery(&again)).await.unwrap()), Vec::<String>::new());
    assert_eq!(world.aws.all(), vec!["DynamoDB_20120810.GetItem"; 6]);
}

/// Killed before and after each of its writes, the function ends the work at the next delivery.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_processor_leaves_nothing_undone() {
    let world = World::new().await;
    let writes = ["PUT /pictures/derived/sidecars/*", "PUT /pictures/pets/*", TRANSACT];
    for (place, write) in writes.into_iter().enumerate() {
        for after in [false, true] {
            let n = u32::try_from(place).unwrap() * 2 + u32::from(after);
            let picture = known(&world, n, Verdict::Review).await;
            let function = world.function(&[WRITE_BACK]);
            let event = delivery(&[json_of(&picture.moderated)]);
            world.aws.reset();
            let before = world.aws.kept_so_far();
            if after {
                world.aws.keep_next(write, 1)
            } else {
                world.aws.hold_next(write, 1)
            }
            let kill = async {
                if after {
                    world.aws.kept(before + 1).await;
                } else {
                    wait_until_async(write, async || (world.aws.calls(write) > 0).then_some(())).await;
                }
                function.kill();
            };
            let (ended, ()) = tokio::join!(function.invoke(&event), kill);
            assert!(ended.is_err(), "it was to be killed: {ended:?}");
            world.aws.release();
            wait_until_async("the event to be worked off", async || {
                failures(&function.invoke(&event).await.ok()?).is_empty().then_some(())
            })
            .await;
            check_written_back(&world, &picture, "review");
            let settled = ledger(&world).await.is_settled("write-back", &picture.moderated.id).await.unwrap();
            assert!(settled, "{write} after={after}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_processor_recorded_and_did_not_tell_is_told_by_the_sweep() {
    let world = World::new().await;
    let function = world.function(&[]);
    let picture = known(&world, 1, Verdict::Review).await;
    world.aws.fail_next("PublishBatch", 1, 503, "no");
    assert!(function.invoke(&schedule()).await.is_err(), "a topic refuses");
    assert_eq!(function.invoke(&schedule()).await, Ok(Value::Null));
    let mut told: Vec<String> = world.told().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    assert_eq!(told, [picture.labelled.id, picture.moderated.id], "each once");
    function.invoke(&schedule()).await.unwrap();
    assert_eq!(world.told(), Vec::<Value>::new());
    let log = function.log();
    let age = log.lines().filter(|line| line.contains("\"ReviewAgeSeconds\":")).count();
    assert_eq!(age, 3, "nobody would know that somebody has to look\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_processed_is_given_up_aloud_and_the_rest_comes_back() {
    let world = World::new().await;
    let function = world.function(&[WRITE_BACK]);
    let (picture, other) = (known(&world, 1, Verdict::Allow).await, known(&world, 2, Verdict::Allow).await);
    let at = |event: &Event, dataref: &str| {
        let mut pointer = json_of(event);
        pointer.as_object_mut().unwrap().remove("data");
        pointer["dataref"] = json!(dataref);
        pointer
    };
    let bytes = serde_json::to_vec(&picture.moderated).unwrap();
    world.put("derived/events/large.json", &bytes);
    world.put("uploaded.json", &bytes);
    world.aws.reset();
    let batch = [
        at(&picture.moderated, "s3://pictures/derived/events/large.json"),
        at(&other.moderated, "s3://pictures/derived/events/large.json"),
        at(&picture.moderated, "s3://pictures/uploaded.json"),
        at(&picture.moderated, "s3://of-somebody-else/derived/events/large.json"),
        at(&picture.moderated, "bucket://pictures/derived/events/large.json"),
        at(&picture.moderated, "s3://pictures/derived/events/gone.json"),
        json!({ "specversion": "1.0", "type": "com.example.of.others", "id": "1", "source": "/", "data": {} }),
        json!("no JSON at all"),
    ];
    assert_eq!(failures(&function.invoke(&delivery(&batch)).await.unwrap()), ["6", "7"], "nobody can read them");
    check_written_back(&world, &picture, "allow");
    assert_eq!(sidecar(&world, &other), None, "an event that says it is another");
    assert_eq!(world.aws.calls("GET /of-somebody-else*") + world.aws.calls("GET /pictures/uploaded.json"), 0);
    let log = function.log();
    assert_eq!(log.matches("an event is given up").count(), 5, "{log}");
    assert_eq!(log.matches("\"EventsGivenUp\":1").count(), 5, "{log}");

    // What may pass comes back.
    world.aws.fail_next("PUT /pictures/derived/sidecars/*", 1, 503, "no");
    let event = delivery(&[json_of(&other.moderated)]);
    assert_eq!(failures(&function.invoke(&event).await.unwrap()), ["0"]);
    assert_eq!(failures(&function.invoke(&event).await.unwrap()), Vec::<String>::new());
    check_written_back(&world, &other, "allow");
}
