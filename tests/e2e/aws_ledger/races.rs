//! Many workers at once: what arrives twice, late and out of order counts once, and nobody loses what another erases.

use tests::wait_until_async;
use tokio::task::JoinSet;

use super::*;

/// Numbers that look random and are the same in each run.
fn shuffled(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// What a worker does with one delivery: claims as long as somebody else works, and records what it has won.
async fn worked_on(ledger: DynamoLedger, n: u64, delay: Duration) -> bool {
    tokio::time::sleep(delay).await;
    loop {
        match ledger.claim(&id(n), LEASE, true).await.unwrap() {
            Claimed::Won(claim) => {
                // Every third request is about the same picture as its neighbours.
                let done = analysis(n, format!("picture {}", n / 3).as_bytes());
                let event = Event::labelled(Cloud::Aws, &done, None);
                let outcome = Outcome::Done(Box::new(done));
                ledger.record(&claim, &Query::default(), outcome, Some(&event)).await.unwrap();
                return true;
            }
            Claimed::Busy(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Claimed::Done(_) => return false,
            Claimed::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_in_any_order_count_once() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await.with_object_index(true);
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut deliveries: Vec<u64> = Vec::new();
    for n in 0..64 {
        deliveries.extend(std::iter::repeat_n(n, 1 + usize::try_from(shuffled(&mut seed) % 3).unwrap()));
    }
    deliveries.sort_by_cached_key(|_| shuffled(&mut seed));
    assert!(deliveries.len() > 64 && !deliveries.is_sorted());
    let mut work = JoinSet::new();
    for n in deliveries {
        let delay = Duration::from_millis(shuffled(&mut seed) % 200);
        work.spawn(worked_on(ledger.clone(), n, delay));
    }
    let recorded = work.join_all().await.into_iter().filter(|recorded| *recorded).count();
    assert_eq!(recorded, 64, "one outcome each");
    let events = ledger.unpublished(Duration::ZERO, 1000).await.unwrap();
    let told: std::collections::BTreeSet<&str> = events.iter().map(|event| event.subject.as_str()).collect();
    assert_eq!((events.len(), told.len()), (64, 64), "one event each");
    for n in 0..64 {
        assert!(matches!(ledger.state(&id(n)).await.unwrap(), Some(State::Done(_))), "{n}");
    }

    let mut erasing = JoinSet::new();
    for n in 0..64 {
        let ledger = ledger.clone();
        erasing.spawn(async move { ledger.erase(&id(n)).await.unwrap() });
    }
    assert!(erasing.join_all().await.into_iter().all(|erased| erased));
    assert_eq!(rows(server.boto(), "ledger"), 0, "the last one took each analysis with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_while_another_leaves_keeps_the_analysis() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let (ledger, slow) = (ledger(server.url(), "ledger").await, ledger(&counted.url(), "ledger").await);
    record(&ledger, &analysis(1, b"picture")).await.unwrap();

    // The one who erases has looked around and found nobody else, when somebody comes.
    counted.hold_next(TRANSACT, 1);
    let erasing = tokio::spawn(async move { slow.erase(&id(1)).await.unwrap() });
    wait_until_async("the erasing", async || (counted.calls(TRANSACT) == 1).then_some(())).await;
    let joined = analysis(2, b"picture");
    record(&ledger, &joined).await.unwrap();
    counted.release();
    assert!(erasing.await.unwrap());
    assert_eq!(counted.calls(TRANSACT), 2, "it has looked again");
    assert_eq!(ledger.state(&joined.id).await.unwrap(), Some(State::Done(Box::new(joined.clone()))));
    let kept = ledger.reusable(joined.digest, &Features::default(), None).await.unwrap().unwrap();
    assert_eq!(kept.id, joined.id, "nothing tells of what was erased");
    assert!(ledger.erase(&joined.id).await.unwrap());
    assert_eq!(rows(server.boto(), "ledger"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_leave_at_once_one_takes_the_analysis_away() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await;
    for n in [1, 2] {
        record(&ledger, &analysis(n, b"picture")).await.unwrap();
    }
    counted.reset();
    counted.hold_next(TRANSACT, 2);
    let both = [1, 2].map(|n| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.erase(&id(n)).await.unwrap() })
    });
    wait_until_async("both", async || (counted.calls(TRANSACT) == 2).then_some(())).await;
    counted.release();
    for erased in both {
        assert!(erased.await.unwrap());
    }
    assert_eq!(rows(server.boto(), "ledger"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_under_way_is_not_recorded() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let (ledger, slow) = (ledger(server.url(), "ledger").await, ledger(&counted.url(), "ledger").await);
    counted.hold_next(TRANSACT, 1);
    let recording = tokio::spawn(async move { record(&slow, &analysis(1, b"picture")).await });
    wait_until_async("the record", async || (counted.calls(TRANSACT) == 1).then_some(())).await;
    assert!(ledger.erase(&id(1)).await.unwrap());
    counted.release();
    assert_eq!(recording.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(rows(server.boto(), "ledger"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_anew_it_counts_once() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await;
    let done = analysis(1, b"picture");
    for detector in ["1", "1", "2"] {
        let again = Analysis {
            detector: DetectorId { provider: "test".to_owned(), model: detector.to_owned() },
            ..done.clone()
        };
        let claim = won(&ledger, &done.id).await;
        // Without an event, so that it can be wanted later.
        let outcome = Outcome::Done(Box::new(again.clone()));
        ledger.record(&claim, &Query::default(), outcome, None).await.unwrap();
        assert_eq!(ledger.state(&done.id).await.unwrap(), Some(State::Done(Box::new(again))));
    }
    let first = ledger.reusable(done.digest, &Features::default(), Some(&done.detector)).await.unwrap();
    assert_eq!(first, None, "nobody stands on the first answer any more");
    assert!(ledger.erase(&done.id).await.unwrap());
    assert_eq!(rows(server.boto(), "ledger"), 0);
}
