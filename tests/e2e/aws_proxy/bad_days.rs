//! What goes wrong on AWS loses nothing, pays nothing twice and tells nothing twice.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{
    ACCESS_KEY, DetectorStandIn, Function, RekognitionStandIn, SECRET_KEY,
    aws_world::{BUCKET, World, delivery, failures, notification, record, schedule},
    numbered_picture, photo, wait_until_async,
};

const DETECT: &str = "POST /v1/detect";
const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"played"}"#;

/// Delivers one message until it does not come back.
async fn until_done(function: &Function, body: &Value) {
    wait_until_async("the message to be worked off", async || {
        let answer = function.invoke(&delivery(std::slice::from_ref(body))).await.ok()?;
        failures(&answer).is_empty().then_some(())
    })
    .await;
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_repeat_in_any_order_are_one_upload() {
    let world = World::new().await;
    let bodies: Vec<Value> =
        (0..6).map(|n| notification(&[world.put(&format!("{n}.bmp"), &numbered_picture(n))])).collect();
    // Each one to three times, and two functions at a time.
    let all: Vec<Value> = [0, 3, 1, 4, 0, 5, 2, 1, 5, 0, 4, 2].iter().map(|n: &usize| bodies[*n].clone()).collect();
    let functions = [world.function(&[]), world.function(&[])];
    let halves = all.chunks(6).zip(&functions).map(|(half, function)| async move {
        for pair in half.chunks(2) {
            let answer = function.invoke(&delivery(pair)).await.unwrap();
            assert_eq!(failures(&answer), Vec::<String>::new());
        }
    });
    join_all(halves).await;
    assert_eq!(world.detecting.calls(DETECT), 6);
    let told = world.told();
    assert_eq!((told.len(), ids(&told).into_iter().collect::<BTreeSet<_>>().len()), (6, 6), "{told:?}");
}

/// Killed before and after each of its writes, at the deadline or otherwise: the next delivery or the sweep ends the work, and
/// the detector is asked again only where the first answer was not written down.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_function_loses_nothing() {
    let world = World::new().await;
    let claim = "DynamoDB_20120810.UpdateItem";
    let writes = [(claim, 1), ("DynamoDB_20120810.TransactWriteItems", 2), ("PublishBatch", 1), (claim, 1)];
    for (place, (write, most)) in writes.into_iter().enumerate() {
        for after in [false, true] {
            let key = format!("{place}-{after}.bmp");
            let number = u32::try_from(place).unwrap() * 2 + u32::from(after);
            let body = notification(&[world.put(&key, &numbered_picture(number))]);
            // A claim lives as long as its invocation may, so that nobody has to wait long here.
            let function = Function::start_for(&world.env(&[]), 4);
            world.detecting.reset();
            // The last write is the second of its name.
            let skipped = usize::from(place == 3);
            interrupt(&world, &function, &body, (write, skipped), after).await;
            until_done(&function, &body).await;
            function.invoke(&schedule()).await.unwrap();
            let told = world.told();
            let distinct: BTreeSet<&str> = ids(&told).into_iter().collect();
            assert_eq!(distinct.len(), 1, "{write} after={after}: {told:?}");
            assert!(told.len() <= 2, "told {} times", told.len());
            let asked = world.detecting.calls(DETECT);
            assert!((1..=most).contains(&asked), "{write} after={after}: asked {asked} times");
        }
    }
}

/// Kills the function while the write is under way: before the server sees it, or after it has done it.
async fn interrupt(world: &World, function: &Function, body: &Value, (write, skipped): (&str, usize), after: bool) {
    world.aws.reset();
    let before = world.aws.kept_so_far();
    if skipped > 0 {
        world.aws.pass_next(write, skipped);
    }
    if after {
        world.aws.keep_next(write, 1)
    } else {
        world.aws.hold_next(write, 1)
    }
    let event = delivery(std::slice::from_ref(body));
    let kill = async {
        if after {
            world.aws.kept(before + 1).await;
        } else {
            wait_until_async(write, async || (world.aws.calls(write) > skipped).then_some(())).await;
        }
        function.kill();
    };
    let (ended, ()) = tokio::join!(function.invoke(&event), kill);
    assert!(ended.is_err(), "it was to be killed: {ended:?}");
    world.aws.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_topic_refuses_is_published_by_the_sweep() {
    let world = World::new().await;
    let function = world.function(&[]);
    let body = notification(&[world.put("a.bmp", &numbered_picture(1))]);
    world.aws.fail_next("PublishBatch", 2, 503, "no");
    assert_eq!(failures(&function.invoke(&delivery(&[body])).await.unwrap()), Vec::<String>::new(), "it is recorded");
    assert_eq!(world.told(), Vec::<Value>::new());
    assert!(function.invoke(&schedule()).await.is_err(), "the topic still refuses");
    assert!(function.log().contains("OutboxAgeSeconds"), "nobody would know\n{}", function.log());
    assert_eq!(function.invoke(&schedule()).await, Ok(Value::Null));
    assert_eq!((world.told().len(), world.detecting.calls(DETECT)), (1, 1));
    function.invoke(&schedule()).await.unwrap();
    assert_eq!(world.told(), Vec::<Value>::new(), "it was told already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttling_table_delays_and_pays_nothing_twice() {
    let world = World::new().await;
    // A claim that could not be given back is free when its invocation would have ended.
    let function = Function::start_for(&world.env(&[]), 20);
    for (n, write) in ["UpdateItem", "TransactWriteItems", "Query", "GetItem"].into_iter().enumerate() {
        world.detecting.reset();
        let bytes = numbered_picture(u32::try_from(n).unwrap());
        let body = notification(&[world.put(&format!("{n}.bmp"), &bytes)]);
        world.aws.fail_next(&format!("DynamoDB_20120810.{write}"), 6, 400, THROTTLED);
        until_done(&function, &body).await;
        // What was not used up is not for the next one.
        world.aws.forget_faults();
        function.invoke(&schedule()).await.unwrap();
        assert_eq!((world.told().len(), world.detecting.calls(DETECT)), (1, 1), "{write}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_away_altogether_amazon_answers_and_the_analysis_says_so() {
    let world = World::new().await;
    let amazon = RekognitionStandIn::start().await;
    let function = world.function(&[
        ("CROSSLENS_DETECTORS", "http://127.0.0.1:9,rekognition"),
        ("AWS_ENDPOINT_URL_REKOGNITION", &amazon.url()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    let body = notification(&[world.put_file("coffee.png", photo("coffee.png"))]);
    until_done(&function, &body).await;
    let told = world.told();
    assert_eq!((told.len(), &told[0]["data"]["provider"]), (1, &json!("amazon-rekognition")));
    assert_eq!(amazon.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detector_that_is_away_or_answers_garbage_is_waited_for() {
    let world = World::new().await;
    let function = world.function(&[("CROSSLENS_BREAKER_FAILURES", "100")]);
    for (n, (status, body)) in
        [(503, "{}"), (200, "garbage"), (500, ""), (429, "{}"), (403, "{}")].into_iter().enumerate()
    {
        let picture = numbered_picture(u32::try_from(n).unwrap());
        let upload = notification(&[world.put(&format!("{n}.bmp"), &picture)]);
        world.detecting.fail_next(DETECT, 1, status, body);
        let answer = function.invoke(&delivery(std::slice::from_ref(&upload))).await.unwrap();
        assert_eq!(failures(&answer), ["0"], "{status} {body}");
        assert_eq!(world.told(), Vec::<Value>::new(), "{status} {body}");
        until_done(&function, &upload).await;
        assert_eq!(world.told().len(), 1, "{status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detector_that_is_slow_is_waited_for_until_the_deadline_and_asked_again() {
    let world = World::new().await;
    let function = Function::start_for(&world.env(&[("CROSSLENS_BREAKER_FAILURES", "100")]), 6);
    let bodies = [1, 2].map(|n| notification(&[world.put(&format!("{n}.bmp"), &numbered_picture(n))]));
    world.detecting.hold_next(DETECT, 1);
    // It says in time which one is to come back, instead of being ended with both.
    let answer = function.invoke(&delivery(&bodies)).await.unwrap();
    let [late] = &failures(&answer)[..] else { panic!("one was not answered: {answer}") };
    assert!(function.log().contains("did not answer in time"), "{}", function.log());
    let neighbour = world.told();
    assert_eq!(neighbour.len(), 1, "its neighbour is told without it: {neighbour:?}");
    world.detecting.release();
    // Nobody is in its way: the claim was given back.
    let again = function.invoke(&delivery(&[bodies[late.parse::<usize>().unwrap()].clone()])).await.unwrap();
    assert_eq!(failures(&again), Vec::<String>::new());
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_ne!(told[0]["id"], neighbour[0]["id"]);
}

/// Half of the time is for the first detector, so that the second has the other half.
#[tokio::test(flavor = "multi_thread")]
async fn google_slow_amazon_answers_within_the_same_invocation() {
    let world = World::new().await;
    let (google, amazon) = (DetectorStandIn::start().await, RekognitionStandIn::start().await);
    google.hold();
    let detectors = format!("{},rekognition", google.url());
    let env = world.env(&[
        ("CROSSLENS_DETECTORS", &detectors),
        ("AWS_ENDPOINT_URL_REKOGNITION", &amazon.url()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    let function = Function::start_for(&env, 10);
    let body = notification(&[world.put_file("coffee.png", photo("coffee.png"))]);
    assert_eq!(failures(&function.invoke(&delivery(&[body])).await.unwrap()), Vec::<String>::new());
    let told = world.told();
    assert_eq!((told.len(), &told[0]["data"]["provider"]), (1, &json!("amazon-rekognition")), "{told:?}");
    let asked = google.received();
    assert_eq!(asked.len(), 1, "it is not asked a second time");
    let given: u64 = asked[0].headers["x-crosslens-deadline-ms"].to_str().unwrap().parse().unwrap();
    assert!(given <= 4500, "{given} ms are more than half of what an invocation of ten seconds leaves");
    google.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poison_message_among_ten_harms_no_neighbour() {
    let world = World::new().await;
    let function = world.function(&[]);
    let mut bodies: Vec<Value> =
        (0..8).map(|n| notification(&[world.put(&format!("{n}.bmp"), &numbered_picture(n))])).collect();
    bodies.insert(3, notification(&[world.put("broken.png", &std::fs::read(photo("coffee.png")).unwrap()[..500])]));
    bodies.insert(6, json!("no JSON at all"));
    let answer = function.invoke(&delivery(&bodies)).await.unwrap();
    assert_eq!(
        failures(&answer),
        ["6"],
        "a message that nobody can read goes back, and in the end to the dead letters"
    );
    let told = world.told();
    let failed: Vec<&Value> = told.iter().filter(|event| event["type"] == "dev.crosslens.image.failed.v1").collect();
    assert_eq!((told.len(), failed.len()), (9, 1), "{told:?}");
    assert_eq!(failed[0]["data"]["source"], "s3://pictures/broken.png");
    assert_eq!(failed[0]["data"]["problem"], "undecodable-image");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_succeed_is_said_once_and_not_tried_again() {
    let world = World::new().await;
    let function = world.function(&[("CROSSLENS_MAX_BYTES", "100000")]);
    let xml = |code: &str, message: &str| format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let denied = xml("AccessDenied", "Access Denied");
    let kms = xml("AccessDenied", "User is not authorized to perform: kms:Decrypt on this resource");
    let mut uploads = vec![
        ("policy.bmp", "forbidden", "a policy forbids", Some(denied)),
        ("kms.bmp", "forbidden", "KMS", Some(kms)),
        ("gone.bmp", "source-not-found", "gone", None),
        ("large.png", "too-large", "larger", None),
    ];
    for (n, (key, problem, word, refusal)) in uploads.drain(..).enumerate() {
        let picture = numbered_picture(u32::try_from(n).unwrap());
        let upload =
            if key == "large.png" { world.put_file(key, photo("coffee.png")) } else { world.put(key, &picture) };
        if let Some(refusal) = refusal {
            world.aws.fail_next(&format!("GET /{BUCKET}/{key}"), 1, 403, &refusal);
        }
        if key == "gone.bmp" {
            world.ministack.boto().call("s3", "delete_object", json!({ "Bucket": BUCKET, "Key": key }));
        }
        let body = notification(&[upload]);
        for _ in 0..2 {
            let answer = function.invoke(&delivery(std::slice::from_ref(&body))).await.unwrap();
            assert_eq!(failures(&answer), Vec::<String>::new(), "{key}");
        }
        let told = world.told();
        assert_eq!(told.len(), 1, "{key}: {told:?}");
        assert_eq!(told[0]["data"]["problem"], problem, "{key}");
        assert!(told[0]["data"]["detail"].as_str().unwrap().contains(word), "{key}: {told:?}");
    }
    assert_eq!(world.detecting.calls(DETECT), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_ours_is_refused() {
    let world = World::new().await;
    let function = world.function(&[]);
    let foreign = notification(&[record("of-somebody-else", "a.bmp", "e", 100)]);
    let answer = function.invoke(&delivery(std::slice::from_ref(&foreign))).await.unwrap();
    assert_eq!(failures(&answer), ["0"]);
    assert_eq!(function.invoke(&foreign).await.unwrap_err().kind, "forbidden");
    assert_eq!(world.aws.calls("GET /of-somebody-else*"), 0, "it was read");
    assert!(function.log().contains("CROSSLENS_BUCKETS"), "the log does not say what to do");
}
