//! What processors leave behind on DynamoDB, beyond the suites: its retention, its cost, lost answers and races for a place on the
//! review list.

use std::collections::BTreeMap;

use common::{
    moderation::{AuditLine, FailRule, Moderation, ReviewItem, Verdict},
    ports::{Dossier, Dossiers as _, Journal as _, Phrases as _, Reviews as _, Settled, Settlement},
    translation::Phrase,
};
use jiff::Timestamp;
use tests::wait_until_async;

use super::*;

const GET: &str = "DynamoDB_20120810.GetItem";

fn moderation(n: u64, verdict: Verdict) -> Moderation {
    Moderation {
        id: id(n),
        digest: Some(Digest::of(b"picture")),
        source: None,
        verdict,
        rule: None,
        evidence: Vec::new(),
        policy: "0123456789ab".to_owned(),
        shadow: None,
        blurred: None,
        fails: FailRule::default(),
        decided_by: None,
        reason: None,
    }
}

/// What moderation leaves behind, with a place on the review list for the verdict `review`.
pub(super) fn decided(n: u64, verdict: Verdict, again: Option<&str>) -> Settlement {
    let (moderation, since) = (moderation(n, verdict), Timestamp::now());
    Settlement {
        events: vec![Event::moderated(Cloud::Aws, &moderation, again, None)],
        audit: vec![AuditLine::of(&moderation, since)],
        review: (verdict == Verdict::Review).then_some(ReviewItem { moderation, since }),
    }
}

pub(super) fn labelled(n: u64) -> String {
    format!("{}:labelled", id(n))
}

pub(super) async fn waiting(ledger: &DynamoLedger) -> Vec<ImageId> {
    ledger.waiting(100).await.unwrap().into_iter().map(|item| item.moderation.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_costs_a_processor_two_reads_and_two_writes() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await.with_retention(HOUR);
    let settlement = decided(1, Verdict::Allow, None);
    assert!(!ledger.is_settled("moderation", &labelled(1)).await.unwrap());
    assert_eq!(ledger.settle("moderation", &labelled(1), &id(1), &settlement).await.unwrap(), Settled::Recorded);
    ledger.published(&settlement.events[0].id).await.unwrap();
    let calls = ["GetItem", "GetItem", "TransactWriteItems", "DeleteItem"];
    assert_eq!(counted.all(), calls.map(|call| format!("DynamoDB_20120810.{call}")));

    // A duplicate costs one read, and one that came at the same time no effect.
    counted.reset();
    assert!(ledger.is_settled("moderation", &labelled(1)).await.unwrap());
    assert_eq!(counted.all(), [GET]);
    assert_eq!(ledger.settle("moderation", &labelled(1), &id(1), &settlement).await.unwrap(), Settled::Before);
    assert_eq!(ledger.outbox_age().await.unwrap(), None, "it is not published anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_processors_know_is_over_with_their_image_and_the_audit_log_is_not() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let kept = ledger(server.url(), "ledger").await.with_retention(HOUR);
    let short = kept.clone().with_retention(Duration::ZERO);
    record(&short, &analysis(1, b"over")).await.unwrap();
    short.settle("moderation", &labelled(1), &id(1), &decided(1, Verdict::Review, None)).await.unwrap();
    assert_eq!(kept.dossier(&id(1)).await.unwrap(), Dossier::default());
    assert_eq!(waiting(&kept).await, []);
    assert_eq!(kept.over(10).await.unwrap(), [id(1)]);
    assert!(kept.erase(&id(1)).await.unwrap());
    assert_eq!(rows(server.boto(), "ledger"), 1);
    assert_eq!(kept.audit(&id(1), 10).await.unwrap().len(), 1);

    // Without a request as well, as where the processor was slower than an erasure.
    kept.settle("moderation", &labelled(2), &id(2), &decided(2, Verdict::Review, None)).await.unwrap();
    assert!(kept.review_age().await.unwrap().is_some());
    assert!(kept.erase(&id(2)).await.unwrap());
    assert_eq!((rows(server.boto(), "ledger"), kept.review_age().await.unwrap()), (2, None));
    assert!(!kept.erase(&id(2)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_settles_once() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await;
    counted.lose_next(TRANSACT, 1);
    // The SDK repeats the call under the same token: it counts, and it counts once.
    assert_eq!(
        ledger.settle("moderation", &labelled(1), &id(1), &decided(1, Verdict::Review, None)).await.unwrap(),
        Settled::Recorded
    );
    assert_eq!(counted.calls(TRANSACT), 2);
    assert_eq!((waiting(&ledger).await, ledger.audit(&id(1), 10).await.unwrap().len()), (vec![id(1)], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_while_another_decides_leaves_one_place_on_the_review_list() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let (ledger, slow) = (ledger(server.url(), "ledger").await, ledger(&counted.url(), "ledger").await);

    // The slow one has seen that the image is not on the list, when another puts it there.
    counted.hold_next(TRANSACT, 1);
    let allowing = tokio::spawn(async move {
        let allowed = decided(1, Verdict::Allow, Some("2"));
        slow.settle("review", &allowed.events[0].id, &id(1), &allowed).await.unwrap()
    });
    wait_until_async("the slow one", async || (counted.calls(TRANSACT) == 1).then_some(())).await;
    ledger.settle("moderation", &labelled(1), &id(1), &decided(1, Verdict::Review, None)).await.unwrap();
    assert_eq!(waiting(&ledger).await, [id(1)]);
    counted.release();
    assert_eq!(allowing.await.unwrap(), Settled::Recorded);
    assert_eq!(counted.calls(TRANSACT), 2, "it has looked again");
    assert_eq!(waiting(&ledger).await, []);
    let verdict = ledger.dossier(&id(1)).await.unwrap().moderation.unwrap().verdict;
    assert_eq!(verdict, Verdict::Allow);

    // Put there again, it has one place, however often.
    for again in ["3", "4"] {
        let review = decided(1, Verdict::Review, Some(again));
        ledger.settle("review", &review.events[0].id, &id(1), &review).await.unwrap();
    }
    assert_eq!(waiting(&ledger).await, [id(1)]);
    assert!(ledger.erase(&id(1)).await.unwrap());
    assert_eq!((waiting(&ledger).await, rows(server.boto(), "ledger")), (vec![], 4), "four lines of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_waits_for_whoever_puts_the_image_on_the_review_list() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let (ledger, slow) = (ledger(server.url(), "ledger").await, ledger(&counted.url(), "ledger").await);
    ledger.settle("moderation", &labelled(1), &id(1), &decided(1, Verdict::Allow, None)).await.unwrap();
    counted.hold_next(TRANSACT, 1);
    let erasing = tokio::spawn(async move { slow.erase(&id(1)).await.unwrap() });
    wait_until_async("the erasing", async || (counted.calls(TRANSACT) == 1).then_some(())).await;
    let review = decided(1, Verdict::Review, Some("2"));
    ledger.settle("review", &review.events[0].id, &id(1), &review).await.unwrap();
    counted.release();
    assert!(erasing.await.unwrap());
    assert_eq!(waiting(&ledger).await, [], "a place that nobody remembers could never be taken away");
    assert_eq!(rows(server.boto(), "ledger"), 2, "two lines of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_is_a_phrase_of_its_own() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await;
    let texts = [String::new(), "cup".to_owned(), "é".repeat(300), "x".repeat(5000), Digest::of(b"").to_string()];
    let said = |text: &String| Phrase { text: format!("{} bytes", text.len()), by: "test".to_owned() };
    let phrases: BTreeMap<String, Phrase> = texts.iter().map(|text| (text.clone(), said(text))).collect();
    let es = "es".parse().unwrap();
    ledger.keep(&es, &phrases).await.unwrap();
    assert_eq!(ledger.known(&es, &phrases.keys().cloned().collect()).await.unwrap(), phrases);
}
