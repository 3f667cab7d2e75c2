//! The ledger by the suites of its ports, and what only this one does: owners, purging, full disks.

use common::{
    error::{Error, Kind},
    event::{Event, Failure},
    intake::Limits,
    ports::{Archive, Journal, Settled, Settlement, suites},
    request::Cloud,
};

use super::*;
use crate::Local;

fn open(dir: &tempfile::TempDir) -> SqliteLedger {
    Local::open_shared(dir.path(), &Limits::default()).unwrap().ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn behaves_as_every_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(&dir));
    suites::ledger(ledger.clone()).await;
    suites::outbox(ledger.as_ref()).await;
    suites::archive(ledger.as_ref()).await;
    suites::inbox(ledger.as_ref()).await;
    suites::index(ledger.as_ref()).await;
    suites::erase(ledger.as_ref()).await;
    suites::journal(ledger.clone()).await;
    suites::reviews(ledger.as_ref()).await;
    suites::numbers(ledger.as_ref()).await;
    suites::replies(ledger.as_ref()).await;
    suites::remembered_faces(ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telling_journal_publishes_with_the_mark_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open_shared(dir.path(), &Limits::default()).unwrap();
    let (journal, id): (_, ImageId) = (local.journal(), format!("local-{}", "a".repeat(26)).parse().unwrap());
    let failure = Failure::new(&id, None, &Error::new(Kind::UndecodableImage, "no picture"));
    let told = Event::failed(Cloud::Local, &failure, None);
    let settlement = Settlement { events: vec![told.clone()], ..Settlement::default() };
    for settled in [Settled::Told, Settled::Before] {
        assert_eq!(journal.settle("one", &format!("{id}:labelled"), &id, &settlement).await.unwrap(), settled);
    }
    assert_eq!(local.ledger.unpublished(Duration::ZERO, 10).await.unwrap(), [], "it would be told again");
    let mut tail = local.topics.tail(&[], crate::From::Start).await.unwrap();
    assert_eq!(tail.next().await.unwrap().parse::<Event>().unwrap(), told);
    assert_eq!(tail.try_next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wins_among_processes() {
    let dir = tempfile::tempdir().unwrap();
    let ledgers = [open(&dir), open(&dir), open(&dir)];
    for round in 0..20 {
        let id: ImageId = format!("local-{}", char::from(b'a' + round).to_string().repeat(26)).parse().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..12 {
            let (ledger, id) = (ledgers[n % 3].clone(), id.clone());
            tasks.spawn(async move { ledger.claim(&id, Duration::from_secs(60), true).await.unwrap() });
        }
        let won = tasks.join_all().await.into_iter().filter(|claimed| matches!(claimed, Claimed::Won(_))).count();
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_the_dead_are_free_and_those_of_the_living_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let id = |c: &str| format!("local-{}", c.repeat(26)).parse::<ImageId>().unwrap();
    let claim =
        async |ledger: &SqliteLedger, id: ImageId| ledger.claim(&id, Duration::from_secs(600), true).await.unwrap();

    let dead = Local::open(dir.path(), &limits).unwrap();
    assert!(matches!(claim(&dead.ledger, id("a")).await, Claimed::Won(_)));
    let living = Local::open_shared(dir.path(), &limits).unwrap();
    assert!(matches!(claim(&living.ledger, id("b")).await, Claimed::Won(_)));
    let refused = Local::open(dir.path(), &limits).map(|_| ()).unwrap_err();
    assert!(refused.message().contains("another crosslens is up"), "{refused}");
    // A process that is killed leaves its mark behind, and the system takes its lock away.
    let mark = dir.path().join("processes").join(&dead.ledger.owner.id);
    drop(dead);
    std::fs::write(&mark, "").unwrap();

    let next = Local::open(dir.path(), &limits).unwrap();
    assert!(matches!(claim(&next.ledger, id("a")).await, Claimed::Won(_)));
    assert!(matches!(claim(&next.ledger, id("b")).await, Claimed::Busy(_)));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_end_found_a_full_disk_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&dir);
    let id: ImageId = format!("local-{}", "a".repeat(26)).parse().unwrap();
    let limit = |pages: &'static str| {
        move |c: &Connection| Ok(c.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
    };
    let lease = Duration::from_secs(600);
    let Claimed::Won(claim) = ledger.claim(&id, lease, true).await.unwrap() else { panic!("not won") };
    ledger.db.write(limit("1")).await.unwrap();
    // Longer than what is left of the last page.
    let detail = "long ".repeat(10_000);
    let failure = common::event::Failure::new(&id, None, &Error::new(Kind::TooLarge, detail));
    let full = ledger.record(&claim, &Query::default(), Outcome::Failed(failure), None).await.unwrap_err();
    assert!(full.message().contains("space"), "{full}");
    ledger.db.write(limit("100000")).await.unwrap();
    assert!(matches!(ledger.claim(&id, lease, true).await.unwrap(), Claimed::Won(_)));
    assert!(matches!(ledger.claim(&id, lease, true).await.unwrap(), Claimed::Busy(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn purging_takes_what_is_old_and_done() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&dir);
    let query = Query::default();
    let ids: Vec<ImageId> =
        ('a'..='d').map(|c| format!("local-{}", c.to_string().repeat(26)).parse().unwrap()).collect();
    let claim = async |id: &ImageId| match ledger.claim(id, Duration::from_secs(60), false).await.unwrap() {
        Claimed::Won(claim) => claim,
        other => panic!("{other:?}"),
    };
    let failure = |id: &ImageId| common::event::Failure::new(id, None, &Error::new(Kind::TooLarge, "too large"));
    let [done, untold, promised, working] = [&ids[0], &ids[1], &ids[2], &ids[3]];
    ledger.record(&claim(done).await, &query, Outcome::Failed(failure(done)), None).await.unwrap();
    let event = Event::failed(common::request::Cloud::Local, &failure(untold), None);
    ledger.record(&claim(untold).await, &query, Outcome::Failed(failure(untold)), Some(&event)).await.unwrap();
    let caller = common::request::Caller("local".to_owned());
    let (id, request_id) = (promised.clone(), String::new());
    ledger
        .accept(&Accepted { id, source: None, query, caller, request_id, traceparent: None, part_of: None })
        .await
        .unwrap();
    claim(working).await;

    assert_eq!(ledger.purge(Duration::from_secs(3600)).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(ledger.purge(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(ledger.state(done).await.unwrap(), None);
    assert!(ledger.state(untold).await.unwrap().is_some());
    assert!(ledger.state(promised).await.unwrap().is_some());
    assert!(matches!(ledger.claim(working, Duration::ZERO, true).await.unwrap(), Claimed::Busy(_)));
}
