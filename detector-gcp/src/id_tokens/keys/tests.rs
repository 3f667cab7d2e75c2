//! The times of the cache, by a clock that the test sets and a key server that the test plays.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::time::{advance, sleep};

use super::*;

const LIFE: Duration = Duration::from_secs(1000);
const SECOND: Duration = Duration::from_secs(1);

/// Plays what the test says, and counts who asks.
#[derive(Debug, Clone, Default)]
struct Played(Arc<(Mutex<Play>, AtomicUsize)>);

#[derive(Debug, Clone, Default)]
enum Play {
    #[default]
    Down,
    Hangs,
    Keys(&'static [&'static str]),
}

impl Played {
    fn play(&self, play: Play) {
        *self.0.0.lock().unwrap() = play;
    }

    fn fetches(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeyServer for Played {
    async fn fetch(&self) -> Result<KeySet> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        let play = self.0.0.lock().unwrap().clone();
        match play {
            Play::Down => Err(Error::new(Kind::Unavailable, "down")),
            Play::Hangs => pending().await,
            Play::Keys(names) => {
                let key = || DecodingKey::from_rsa_raw_components(&[1], &[1]);
                Ok(KeySet { keys: names.iter().map(|name| ((*name).to_owned(), key())).collect(), life: LIFE })
            }
        }
    }
}

/// The word for what a key id comes to.
async fn ask(keys: &Keys, kid: &str) -> &'static str {
    match keys.find(kid).await {
        Ok(Some(_)) => "known",
        Ok(None) => "unknown",
        Err(error) if error.kind() == Kind::Unavailable => "unavailable",
        Err(error) => panic!("{error}"),
    }
}

/// A cache that has fetched these keys just now.
async fn holding(names: &'static [&'static str]) -> (Keys, Played) {
    let played = Played::default();
    played.play(Play::Keys(names));
    let keys = Keys::new(played.clone());
    assert_eq!(ask(&keys, "a").await, "known");
    (keys, played)
}

/// Lets what runs behind come to its end.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn within_their_life_keys_need_no_server() {
    let (keys, played) = holding(&["a"]).await;
    played.play(Play::Down);
    for _ in 0..7 {
        advance(LIFE / 10).await;
        assert_eq!(ask(&keys, "a").await, "known");
    }
    assert_eq!(played.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_behind_the_requests() {
    let (keys, played) = holding(&["a"]).await;
    advance(LIFE - SECOND).await;
    played.play(Play::Hangs);
    for _ in 0..3 {
        assert_eq!(ask(&keys, "a").await, "known");
    }
    settle().await;
    assert_eq!(played.fetches(), 2);

    let (keys, played) = holding(&["a"]).await;
    advance(LIFE - SECOND).await;
    assert_eq!(ask(&keys, "a").await, "known");
    settle().await;
    advance(LIFE - LIFE / 4).await;
    assert_eq!(ask(&keys, "a").await, "known");
    assert_eq!(played.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_withdrawn_ends_with_its_life() {
    let (keys, played) = holding(&["a"]).await;
    played.play(Play::Keys(&["b"]));
    advance(LIFE).await;
    assert_eq!(ask(&keys, "a").await, "unknown");
    assert_eq!(ask(&keys, "b").await, "known");
    assert_eq!(played.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_keys_hold_for_the_grace_and_no_longer() {
    for age in [LIFE, LIFE + GRACE / 2, LIFE + GRACE - SECOND] {
        let (keys, played) = holding(&["a"]).await;
        played.play(Play::Down);
        advance(age).await;
        assert_eq!(ask(&keys, "a").await, "known", "{age:?}");
        assert_eq!(ask(&keys, "b").await, "unavailable", "it may be a new key");
    }
    let (keys, played) = holding(&["a"]).await;
    played.play(Play::Down);
    advance(LIFE + GRACE).await;
    assert_eq!(ask(&keys, "a").await, "unavailable");
    played.play(Play::Keys(&["a"]));
    advance(PAUSE).await;
    assert_eq!(ask(&keys, "a").await, "known");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nobody_waits_for_keys_that_still_hold() {
    let (keys, played) = holding(&["a"]).await;
    advance(LIFE).await;
    played.play(Play::Down);
    assert_eq!(ask(&keys, "a").await, "known");
    advance(PAUSE).await;
    played.play(Play::Hangs);
    assert_eq!(ask(&keys, "a").await, "known");
    settle().await;
    assert_eq!(played.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failing_server_is_left_alone_for_a_moment() {
    let played = Played::default();
    let keys = Keys::new(played.clone());
    for _ in 0..5 {
        assert_eq!(ask(&keys, "a").await, "unavailable");
    }
    assert_eq!(played.fetches(), 1);
    played.play(Play::Keys(&["a"]));
    advance(PAUSE).await;
    assert_eq!(ask(&keys, "a").await, "known");
    assert_eq!(played.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn strangers_make_us_ask_once_in_a_while() {
    let (keys, played) = holding(&["a"]).await;
    for kid in ["x", "y", "z"] {
        assert_eq!(ask(&keys, kid).await, "unknown");
    }
    assert_eq!(played.fetches(), 2);
    played.play(Play::Keys(&["a", "b"]));
    assert_eq!(ask(&keys, "b").await, "unknown");
    advance(UNKNOWN).await;
    assert_eq!(ask(&keys, "b").await, "known");
    assert_eq!(ask(&keys, "a").await, "known");
    assert_eq!(played.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_is_waited_for_holds_up_nobody() {
    let (keys, played) = holding(&["a"]).await;
    played.play(Play::Hangs);
    let stranger = keys.find("x");
    tokio::select! {
        _ = stranger => panic!("the server hangs"),
        () = sleep(SECOND) => {}
    }
    assert_eq!(ask(&keys, "a").await, "known");
    assert_eq!(played.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_outlives_the_request_that_began_it() {
    let played = Played::default();
    played.play(Play::Keys(&["a"]));
    let keys = Keys::new(played.clone());
    // Polled once, which begins the fetch, and dropped.
    assert!(futures_util::FutureExt::now_or_never(keys.find("a")).is_none());
    settle().await;
    played.play(Play::Down);
    assert_eq!(ask(&keys, "a").await, "known");
    assert_eq!(played.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_make_one_fetch() {
    let played = Played::default();
    played.play(Play::Keys(&["a"]));
    let keys = Keys::new(played.clone());
    let many = (0..200).map(|number| ask(&keys, if number % 4 == 0 { "x" } else { "a" }));
    let answers = futures_util::future::join_all(many).await;
    assert_eq!(answers.iter().filter(|answer| **answer == "known").count(), 150);
    assert_eq!(answers.iter().filter(|answer| **answer == "unknown").count(), 50);
    assert_eq!(played.fetches(), 1);

    played.play(Play::Keys(&["a", "b"]));
    let answers = futures_util::future::join_all((0..50).map(|_| ask(&keys, "b"))).await;
    assert_eq!(answers, ["known"; 50], "a new key is no stranger's");
    assert_eq!(played.fetches(), 2);
}
