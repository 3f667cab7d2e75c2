//! Topics by the suite of `Publish`, and consumers: retries, dead letters, replay, crashes.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{
    error::{Error, Kind},
    event::Topic,
    intake::Limits,
    ports::suites,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::*;
use crate::Local;

const SOON: Duration = Duration::from_secs(30);
const QUICK: Retries = Retries { tries: 3, first: Duration::from_millis(10), most: Duration::from_millis(50) };

fn open(dir: &tempfile::TempDir) -> SqliteTopics {
    Local::open_shared(dir.path(), &Limits::default()).unwrap().topics
}

/// Fails each id as often as it says, reports each try, and blocks `stuck` for ever.
struct Script {
    failures: HashMap<&'static str, (u32, Error)>,
    tries: Mutex<HashMap<String, u32>>,
    seen: mpsc::UnboundedSender<String>,
    busy: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Handle for Script {
    async fn handle(&self, message: &Message) -> Result<()> {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        let _ = self.seen.send(message.id.clone());
        if message.id == "stuck" {
            std::future::pending::<()>().await;
        }
        assert_ne!(message.id, "panics");
        sleep(Duration::from_millis(2)).await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        let tried = {
            let mut tries = self.tries.lock().unwrap();
            let tried = tries.entry(message.id.clone()).or_default();
            *tried += 1;
            *tried
        };
        match self.failures.get(message.id.as_str()) {
            Some((times, error)) if tried <= *times => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

type Failures = Vec<(&'static str, u32, Error)>;

fn script(failures: Failures) -> (Arc<Script>, mpsc::UnboundedReceiver<String>) {
    let (seen, received) = mpsc::unbounded_channel();
    let failures = failures.into_iter().map(|(id, times, error)| (id, (times, error))).collect();
    let (tries, busy, most) = (Mutex::default(), AtomicUsize::new(0), AtomicUsize::new(0));
    (Arc::new(Script { failures, tries, seen, busy, most }), received)
}

async fn next(received: &mut mpsc::UnboundedReceiver<String>) -> String {
    timeout(SOON, received.recv()).await.expect("a delivery").unwrap()
}

async fn quiet(received: &mut mpsc::UnboundedReceiver<String>) {
    sleep(Duration::from_millis(400)).await;
    assert_eq!(received.try_recv().ok(), None);
}

/// Waits until nothing is under way or waiting for the consumer.
async fn idle(topics: &SqliteTopics) {
    let count = |c: &Connection| {
        let sql = "SELECT count(*) FROM delivery WHERE state <> 'dead'";
        Ok(c.query_row(sql, [], |row| row.get::<_, i64>(0))?)
    };
    let done = async {
        while topics.db.read(count).await.unwrap() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, done).await.expect("everything settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn behaves_as_every_publisher() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    let delivered = async |topic: Topic| {
        let mut tail = topics.tail(&[topic.name()], From::Start).await.unwrap();
        let mut events = Vec::new();
        while let Some(message) = tail.try_next().await.unwrap() {
            events.push(message.parse().unwrap());
        }
        events
    };
    suites::publish(&topics, delivered, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_message_is_tried_again_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    let later = Error::new(Kind::Unavailable, "not now");
    let failures = vec![
        ("twice", 2, later.clone()),
        ("always", u32::MAX, later),
        ("never", u32::MAX, Error::new(Kind::UndecodableImage, "not an image")),
    ];
    let (handler, _seen) = script(failures);
    for id in ["twice", "always", "never", "panics", "a", "b", "c"] {
        topics.send("work", id, &id).await.unwrap();
    }
    topics.send("other", "d", &"d").await.unwrap();
    let subscription = topics.subscribe("test", &["work"], From::Start, 2, QUICK, handler.clone()).await.unwrap();
    let again = topics.subscribe("test", &["work"], From::Start, 2, QUICK, handler.clone()).await;
    assert_eq!(again.map(|_| ()).unwrap_err().kind(), Kind::InvalidRequest);
    timeout(SOON, async {
        while topics.dead(None, 10).await.unwrap().len() < 3 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    idle(&topics).await;
    subscription.stop().await;

    let tries = handler.tries.lock().unwrap().clone();
    let expected = [("twice", 3), ("always", 3), ("never", 1), ("a", 1), ("b", 1), ("c", 1)];
    assert_eq!(tries, expected.map(|(id, tries)| (id.to_owned(), tries)).into());
    let mut dead: Vec<_> =
        topics.dead(Some("test"), 10).await.unwrap().into_iter().map(|dead| (dead.id, dead.tries)).collect();
    dead.sort();
    assert_eq!(dead, [("always", 3), ("never", 1), ("panics", 3)].map(|(id, tries)| (id.to_owned(), tries)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_asked_for_are_under_way_and_each_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    let (handler, mut seen) = script(Vec::new());
    let subscription = topics.subscribe("test", &["work"], From::End, 3, QUICK, handler.clone()).await.unwrap();
    for n in 0..50 {
        topics.send("work", &n.to_string(), &n).await.unwrap();
        topics.send("work", &n.to_string(), &n).await.unwrap();
    }
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(next(&mut seen).await.parse::<u32>().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    quiet(&mut seen).await;
    assert!(handler.most.load(Ordering::SeqCst) <= 3);
    subscription.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    topics.send("work", "before", &0).await.unwrap();
    for id in ["stuck", "a"] {
        topics.send("work", id, &id).await.unwrap();
    }
    let (handler, mut seen) = script(Vec::new());
    let subscription = topics.subscribe("test", &["work"], From::After(1), 2, QUICK, handler).await.unwrap();
    let mut got = [next(&mut seen).await, next(&mut seen).await];
    got.sort();
    assert_eq!(got, ["a", "stuck"], "a new consumer begins where it is told to");
    drop(subscription);
    sleep(Duration::from_millis(300)).await;

    // As after a crash: another process attaches while one message is marked as under way.
    let reopened = open(&dir);
    reopened.send("work", "b", &"b").await.unwrap();
    let (handler, mut seen) = script(Vec::new());
    let subscription = reopened.subscribe("test", &["work"], From::Start, 2, QUICK, handler).await.unwrap();
    let mut got = [next(&mut seen).await, next(&mut seen).await];
    got.sort();
    assert_eq!(got, ["b", "stuck"]);
    drop(subscription);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_process_is_given_up_at_last() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    topics.send("work", "deadly", &0).await.unwrap();
    let take = |c: &Connection| delivery::take(c, "test", "[\"work\"]", 5);
    let mut deliveries = 0;
    for _ in 0..100 {
        topics.db.write(|c| delivery::attach(c, "test", "[]", From::Start)).await.unwrap();
        deliveries += topics.db.write(take).await.unwrap().len();
    }
    assert_eq!(deliveries, 20);
    assert_eq!(topics.dead(Some("test"), 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_delivers_again() {
    let dir = tempfile::tempdir().unwrap();
    let (topics, other) = (open(&dir), open(&dir));
    let refused = Error::new(Kind::UndecodableImage, "not an image");
    let (handler, mut seen) = script(vec![("bad", 1, refused)]);
    for id in ["a", "bad", "c"] {
        topics.send("work", id, &id).await.unwrap();
    }
    let subscription = topics.subscribe("test", &["work"], From::Start, 1, QUICK, handler).await.unwrap();
    for id in ["a", "bad", "c"] {
        assert_eq!(next(&mut seen).await, id);
    }
    idle(&topics).await;
    assert_eq!(topics.consumers().await.unwrap(), ["test"]);
    assert_eq!(other.replay("test", Replay::Dead).await.unwrap(), 1);
    assert_eq!(next(&mut seen).await, "bad");
    idle(&topics).await;
    assert_eq!(topics.dead(None, 10).await.unwrap(), []);
    assert_eq!(other.replay("test", Replay::From(2)).await.unwrap(), 2);
    assert_eq!(next(&mut seen).await, "bad");
    assert_eq!(next(&mut seen).await, "c");
    quiet(&mut seen).await;
    assert_eq!(other.replay("nobody", Replay::Dead).await.unwrap_err().kind(), Kind::NotFound);
    subscription.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_was_asked_for_is_kept() {
    let settled = QUICK.judge_for_test(1, Error::new(Kind::RateLimited, "slower").after(Duration::from_secs(100)));
    assert!(settled > now_ms() + 90_000);
    let settled = QUICK.judge_for_test(1, Error::new(Kind::RateLimited, "slower"));
    assert!(settled < now_ms() + 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_what_other_processes_send_and_misses_nothing_when_it_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let (topics, other) = (open(&dir), open(&dir));
    topics.send("a", "old", &0).await.unwrap();
    let mut tail = topics.tail(&["a", "b"], From::End).await.unwrap();
    let done = Arc::new(Notify::new());
    let sender = tokio::spawn({
        let done = done.clone();
        async move {
            for n in 0..300 {
                let topic = ["a", "b", "c"][n % 3];
                if n % 2 == 0 { &topics } else { &other }.send(topic, &n.to_string(), &n).await.unwrap();
            }
            done.notified().await;
        }
    });
    let mut got = Vec::new();
    while got.len() < 200 {
        if let Ok(message) = timeout(Duration::from_millis(1), tail.next()).await {
            got.push(message.unwrap().id.parse::<usize>().unwrap());
        }
    }
    done.notify_one();
    sender.await.unwrap();
    assert_eq!(got, (0..300).filter(|n| n % 3 < 2).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn purging_leaves_what_somebody_is_still_to_get() {
    let dir = tempfile::tempdir().unwrap();
    let topics = open(&dir);
    let (handler, mut seen) = script(vec![("bad", 1, Error::new(Kind::UndecodableImage, "not an image"))]);
    for id in ["a", "stuck", "bad"] {
        topics.send("work", id, &id).await.unwrap();
    }
    let subscription = topics.subscribe("test", &["work"], From::Start, 2, QUICK, handler).await.unwrap();
    for _ in 0..3 {
        next(&mut seen).await;
    }
    timeout(SOON, async {
        while topics.dead(None, 10).await.unwrap().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    drop(subscription);
    sleep(Duration::from_millis(300)).await;
    topics.send("work", "new", &0).await.unwrap();
    topics.send("other", "unwanted", &0).await.unwrap();
    sleep(Duration::from_millis(5)).await;
    assert_eq!(topics.purge(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(topics.purge(Duration::ZERO).await.unwrap(), 3);
    assert_eq!(topics.dead(None, 10).await.unwrap(), []);
    let mut tail = topics.tail(&[], From::Start).await.unwrap();
    assert_eq!(tail.next().await.unwrap().id, "stuck");
    assert_eq!(tail.next().await.unwrap().id, "new");
    assert_eq!(tail.try_next().await.unwrap(), None);
}
