//! The ledger on DynamoDB: the suites of its ports on real servers, and what only this ledger promises.

mod faults;
mod journal;
mod races;
mod review;

use std::{sync::Arc, time::Duration};

use common::{
    analysis::{Analysis, DetectorId, Features, Findings, Label},
    error::{Error, Kind},
    event::{Event, Failure},
    image::{Digest, MediaType},
    ports::{Archive as _, Claim, Claimed, Erase as _, Inbox as _, Ledger, Outbox as _, Outcome, State, suites},
    request::{Accepted, Caller, Cloud, ImageId, ObjectRef, Query},
};
use proxy_aws::{clients::Clients, dynamodb::DynamoLedger};
use serde_json::json;
use tests::{Boto, Counted, KEY, Ministack, Moto, REGION, SECRET, ledger_table};

const LEASE: Duration = Duration::from_secs(600);
const TRANSACT: &str = "DynamoDB_20120810.TransactWriteItems";
const HOUR: Duration = Duration::from_secs(3600);

async fn ledger(url: &str, table: &str) -> DynamoLedger {
    DynamoLedger::new(Clients::at(url, REGION, KEY, SECRET).await.dynamodb, table.to_owned())
}

/// The id of a test's request number `n`.
fn id(n: u64) -> ImageId {
    let object = ObjectRef { bucket: "pictures".to_owned(), key: n.to_string(), version: None, etag: "e".to_owned() };
    object.id(Cloud::Aws, &Query::default())
}

fn analysis(n: u64, picture: &[u8]) -> Analysis {
    let label = Label { description: "Cup".to_owned(), score: 0.9, mid: None };
    Analysis {
        part_of: None,
        id: id(n),
        request_id: format!("r-{n}"),
        digest: Digest::of(picture),
        source: Some(format!("s3://pictures/folder/{n}.jpg?versionId=v{n}")),
        media_type: MediaType::Jpeg,
        width: 40,
        height: 30,
        detector: DetectorId { provider: "test".to_owned(), model: "1".to_owned() },
        findings: Findings { labels: Some(vec![label]), ..Findings::default() },
        analyzed_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        duration_ms: 7,
    }
}

async fn won(ledger: &DynamoLedger, id: &ImageId) -> Claim {
    match ledger.claim(id, LEASE, true).await.unwrap() {
        Claimed::Won(claim) => claim,
        other => panic!("{id} should have been won: {other:?}"),
    }
}

async fn record(ledger: &DynamoLedger, analysis: &Analysis) -> Result<(), Error> {
    let claim = won(ledger, &analysis.id).await;
    let event = Event::labelled(Cloud::Aws, analysis, None);
    ledger.record(&claim, &Query::default(), Outcome::Done(Box::new(analysis.clone())), Some(&event)).await
}

/// How many rows the table holds.
fn rows(boto: &Boto, table: &str) -> u64 {
    let scan = boto.call("dynamodb", "scan", json!({ "TableName": table, "ConsistentRead": true }));
    assert!(scan.get("LastEvaluatedKey").is_none(), "one page holds all rows");
    scan["Count"].as_u64().unwrap()
}

async fn behaves_as_every_ledger(url: &str, boto: &Boto) {
    ledger_table(boto, "plain");
    ledger_table(boto, "full");
    let full = ledger(url, "full").await.with_retention(HOUR).with_object_index(true);
    for ledger in [ledger(url, "plain").await, full] {
        suites::ledger(Arc::new(ledger.clone())).await;
        suites::outbox(&ledger).await;
        suites::archive(&ledger).await;
        suites::inbox(&ledger).await;
        suites::erase(&ledger).await;
        suites::journal(Arc::new(ledger.clone())).await;
        suites::reviews(&ledger).await;
        suites::phrases(&ledger).await;
        suites::numbers(&ledger).await;
        suites::replies(&ledger).await;
        suites::remembered_faces(Arc::new(ledger.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behaves_as_every_ledger_on_ministack() {
    let server = Ministack::start();
    behaves_as_every_ledger(server.url(), server.boto()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behaves_as_every_ledger_on_moto() {
    let server = Moto::start();
    // moto looks at a condition and writes without a lock in between, so that two calls at once may both win.
    let counted = Counted::one_by_one(server.url()).await;
    behaves_as_every_ledger(&counted.url(), server.boto()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_costs_three_writes() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await.with_retention(HOUR).with_object_index(true);
    let done = analysis(1, b"picture");
    let claim = won(&ledger, &done.id).await;
    let known = ledger.reusable(done.digest, &Features::default(), Some(&done.detector)).await.unwrap();
    assert_eq!(known, None);
    let event = Event::labelled(Cloud::Aws, &done, None);
    ledger.record(&claim, &Query::default(), Outcome::Done(Box::new(done.clone())), Some(&event)).await.unwrap();
    ledger.published(&event.id).await.unwrap();
    let calls = ["UpdateItem", "GetItem", "TransactWriteItems", "UpdateItem"];
    assert_eq!(counted.all(), calls.map(|call| format!("DynamoDB_20120810.{call}")));

    // Whoever asks again reads twice: the claim says what is there, and the analysis is fetched.
    counted.reset();
    assert_eq!(ledger.claim(&done.id, LEASE, true).await.unwrap(), Claimed::Done(Box::new(done)));
    assert_eq!(counted.all(), ["UpdateItem", "GetItem"].map(|call| format!("DynamoDB_20120810.{call}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_gone_and_listed() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let kept = ledger(server.url(), "ledger").await.with_retention(HOUR).with_object_index(true);
    let short = kept.clone().with_retention(Duration::ZERO);
    record(&kept, &analysis(1, b"kept")).await.unwrap();
    record(&short, &analysis(2, b"over")).await.unwrap();
    let caller = Caller("somebody".to_owned());
    let promise = |n| Accepted {
        part_of: None,
        id: id(n),
        source: None,
        query: Query::default(),
        caller: caller.clone(),
        request_id: "r".to_owned(),
        traceparent: None,
    };
    short.accept(&promise(3)).await.unwrap();

    assert!(matches!(kept.state(&id(1)).await.unwrap(), Some(State::Done(_))));
    assert_eq!(kept.state(&id(2)).await.unwrap(), None);
    assert_eq!(kept.accepted(&id(3)).await.unwrap(), None);
    let reusable = kept.reusable(Digest::of(b"over"), &Features::default(), None).await.unwrap();
    assert_eq!(reusable, None);
    assert_eq!(kept.recorded(&[id(1), id(2), id(1), id(9)]).await.unwrap(), [id(1)].into());
    let mut over = kept.over(10).await.unwrap();
    over.sort_by_key(ToString::to_string);
    let mut expected = vec![id(2), id(3)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(over, expected);
    assert_eq!(kept.over(1).await.unwrap().len(), 1);

    // What is over begins anew.
    record(&kept, &analysis(2, b"over")).await.unwrap();
    assert!(matches!(kept.state(&id(2)).await.unwrap(), Some(State::Done(_))));
    kept.accept(&promise(3)).await.unwrap();
    assert_eq!(kept.state(&id(3)).await.unwrap(), Some(State::Pending));
    assert!(kept.over(10).await.unwrap().is_empty());
    for n in 1..=3 {
        assert!(kept.erase(&id(n)).await.unwrap());
    }
    assert_eq!(rows(server.boto(), "ledger"), 0, "nothing is left of what was erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_found_by_their_object() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let plain = ledger(server.url(), "ledger").await;
    let ledger = plain.clone().with_object_index(true);
    let twice = Analysis { id: id(2), ..analysis(1, b"picture") };
    record(&ledger, &analysis(1, b"picture")).await.unwrap();
    record(&ledger, &twice).await.unwrap();
    let source = Some("s3://pictures/folder/3 ü.jpg".to_owned());
    let failure = Failure::new(&id(3), source, &Error::new(Kind::UndecodableImage, "it is cut off"));
    let claim = won(&ledger, &id(3)).await;
    ledger.record(&claim, &Query::default(), Outcome::Failed(failure), None).await.unwrap();
    record(&plain, &analysis(4, b"another")).await.unwrap();

    let mut both = ledger.objects("pictures", "folder/1.jpg", None).await.unwrap();
    both.sort_by_key(|found| *found != id(1));
    assert_eq!(both, [id(1), id(2)]);
    assert_eq!(ledger.objects("pictures", "folder/3 ü.jpg", None).await.unwrap(), [id(3)]);
    assert!(ledger.objects("pictures", "folder/4.jpg", None).await.unwrap().is_empty(), "it was not wanted");
    assert!(ledger.objects("pictures", "folder", None).await.unwrap().is_empty());

    assert!(ledger.outbox_age().await.unwrap().is_some());
    for n in 1..=4 {
        assert!(ledger.erase(&id(n)).await.unwrap());
    }
    assert_eq!(ledger.outbox_age().await.unwrap(), None);
    assert!(ledger.objects("pictures", "folder/1.jpg", None).await.unwrap().is_empty());
    assert_eq!(rows(server.boto(), "ledger"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ids_are_looked_up_at_once() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await;
    for n in 0..3 {
        record(&ledger, &analysis(n * 120, b"picture")).await.unwrap();
    }
    let ids: Vec<ImageId> = (0..250).map(id).collect();
    assert_eq!(ledger.recorded(&ids).await.unwrap(), [id(0), id(120), id(240)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_text_fits_and_a_library_does_not() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await;
    let text = |content| Some(common::analysis::Text { content, blocks: vec![] });
    let page = "It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(20_000);
    let mut long = analysis(1, b"a page");
    long.findings.text = text(page);
    record(&ledger, &long).await.unwrap();
    assert_eq!(ledger.state(&long.id).await.unwrap(), Some(State::Done(Box::new(long.clone()))));
    let events = ledger.unpublished(Duration::ZERO, 10).await.unwrap();
    assert_eq!(events, [Event { time: events[0].time, ..Event::labelled(Cloud::Aws, &long, None) }]);

    let mut seed = 7_u64;
    let mut noise = String::new();
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{seed:x}"));
    }
    let mut longest = analysis(2, b"a library");
    longest.findings.text = text(noise);
    let error = record(&ledger, &longest).await.unwrap_err();
    assert_eq!((error.kind(), error.is_permanent()), (Kind::TooLarge, true));
    // The claim is free for whoever gives the image up.
    let claim = won(&ledger, &longest.id).await;
    let failure = Failure::new(&longest.id, None, &error);
    ledger.record(&claim, &Query::default(), Outcome::Failed(failure.clone()), None).await.unwrap();
    assert_eq!(ledger.state(&longest.id).await.unwrap(), Some(State::Failed(failure)));
}
