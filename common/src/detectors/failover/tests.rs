//! Who is asked, for how long, and what is said when nobody answers; on paused time.

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::analysis::Findings;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Play {
    Answer,
    Fail(Kind),
    Reject,
    Hang,
    Busy(u64),
}

/// Plays its part and remembers how much time each call was given.
struct Actor {
    name: &'static str,
    play: Mutex<Play>,
    given: Mutex<Vec<Duration>>,
}

impl Actor {
    fn new(name: &'static str, play: Play) -> Arc<Self> {
        Arc::new(Self { name, play: Mutex::new(play), given: Mutex::new(vec![]) })
    }

    fn plays(&self, play: Play) {
        *self.play.lock().unwrap() = play;
    }

    fn asked(&self) -> usize {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[async_trait]
impl Detect for Actor {
    fn id(&self) -> Option<DetectorId> {
        None
    }

    async fn detect(&self, _: &Image, _: &Features, time: Duration) -> Result<Detection> {
        self.given.lock().unwrap().push(time);
        let play = *self.play.lock().unwrap();
        match play {
            Play::Answer => {
                let detector = DetectorId { provider: self.name.to_owned(), model: "1".to_owned() };
                Ok(Detection { detector, findings: Findings::default() })
            }
            Play::Fail(kind) => Err(Error::new(kind, "played")),
            Play::Reject => Err(Error::new(Kind::Unavailable, "played").with_retry(Retry::Exhausted)),
            Play::Busy(seconds) => Err(Error::new(Kind::RateLimited, "played").after(Duration::from_secs(seconds))),
            Play::Hang => std::future::pending().await,
        }
    }
}

fn failover(actors: &[&Arc<Actor>], pay_elsewhere: bool) -> Failover {
    let named = actors.iter().map(|actor| (actor.name.to_owned(), Arc::clone(actor) as Arc<dyn Detect>));
    let patience = Patience { failures: 2, first_rest: 4 * SECOND, longest_rest: 30 * SECOND, rate: None };
    Failover::new(named, patience, pay_elsewhere).unwrap()
}

async fn ask(failover: &Failover, seconds: u64) -> Result<String> {
    let image = Image::never_decoded(b"x");
    let answer = failover.detect(&image, &Features::default(), Duration::from_secs(seconds)).await;
    answer.map(|detection| detection.detector.provider)
}

#[tokio::test(start_paused = true)]
async fn the_next_is_asked_where_one_fails_by_itself_and_not_where_it_complains() {
    let check = async |play, answered: Result<&str, Kind>| {
        let (first, second) = (Actor::new("a", play), Actor::new("b", Play::Answer));
        let answer = ask(&failover(&[&first, &second], false), 10).await;
        assert_eq!(answer.map_err(|error| error.kind()), answered.map(str::to_owned));
    };
    check(Play::Answer, Ok("a")).await;
    for kind in [Kind::Unavailable, Kind::DetectorFailed, Kind::DeadlineExceeded, Kind::Unsupported] {
        check(Play::Fail(kind), Ok("b")).await;
    }
    check(Play::Hang, Ok("b")).await;
    for kind in [Kind::UndecodableImage, Kind::TooLarge, Kind::UnsupportedMedia, Kind::RateLimited] {
        check(Play::Fail(kind), Err(kind)).await;
    }
    check(Play::Reject, Err(Kind::Unavailable)).await;
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_paid_elsewhere_where_that_is_allowed() {
    let (first, second) = (Actor::new("a", Play::Busy(7)), Actor::new("b", Play::Answer));
    assert_eq!(ask(&failover(&[&first, &second], true), 10).await.unwrap(), "b");
    second.plays(Play::Busy(9));
    let refused = ask(&failover(&[&first, &second], true), 10).await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after()), (Kind::RateLimited, Some(7 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn each_try_gets_half_of_what_is_left_and_the_last_all_of_it() {
    let actors = [Actor::new("a", Play::Hang), Actor::new("b", Play::Hang), Actor::new("c", Play::Hang)];
    let failover = failover(&[&actors[0], &actors[1], &actors[2]], false);
    assert_eq!(ask(&failover, 16).await.unwrap_err().kind(), Kind::DeadlineExceeded);
    let given: Vec<_> = actors.iter().map(|actor| actor.given.lock().unwrap().clone()).collect();
    assert_eq!(given, [vec![8 * SECOND], vec![4 * SECOND], vec![4 * SECOND]]);
}

#[tokio::test(start_paused = true)]
async fn who_fails_repeatedly_rests_and_comes_back() {
    let (first, second) = (Actor::new("a", Play::Fail(Kind::Unavailable)), Actor::new("b", Play::Answer));
    let failover = failover(&[&first, &second], false);
    for _ in 0..5 {
        assert_eq!(ask(&failover, 10).await.unwrap(), "b");
    }
    assert_eq!(first.asked(), 2, "then it rests");
    first.plays(Play::Answer);
    tokio::time::advance(4 * SECOND).await;
    assert_eq!(ask(&failover, 10).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_the_shortest_wait_is_told() {
    let (first, second) = (Actor::new("a", Play::Fail(Kind::Unavailable)), Actor::new("b", Play::Hang));
    let failover = failover(&[&first, &second], false);
    for _ in 0..2 {
        let refused = ask(&failover, 6).await.unwrap_err();
        assert_eq!((refused.kind(), refused.is_permanent()), (Kind::Unavailable, false));
        assert!(refused.retry_after().is_some());
    }
    // The second one was given 6 seconds, so that of the first one's 4 seconds none is left.
    assert_eq!(ask(&failover, 6).await.unwrap_err().retry_after(), Some(4 * SECOND), "the second one's rest");
    let asked = (first.asked(), second.asked());
    let refused = ask(&failover, 6).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_permanent()), (Kind::Unavailable, false));
    assert_eq!((first.asked(), second.asked()), asked, "nobody was asked");
}

#[tokio::test(start_paused = true)]
async fn what_none_can_do_is_said_once_and_for_all() {
    let (first, second) =
        (Actor::new("a", Play::Fail(Kind::Unsupported)), Actor::new("b", Play::Fail(Kind::Unsupported)));
    let both = failover(&[&first, &second], false);
    assert!(ask(&both, 10).await.unwrap_err().is_permanent());
    first.plays(Play::Fail(Kind::DetectorFailed));
    assert!(!ask(&both, 10).await.unwrap_err().is_permanent(), "the first one may do it another time");
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_about_health_leaves_the_breaker_as_it_was() {
    let only = Actor::new("a", Play::Hang);
    let failover = failover(&[&only], false);
    for _ in 0..5 {
        assert_eq!(ask(&failover, 1).await.unwrap_err().kind(), Kind::DeadlineExceeded, "in a hurry");
        let gone = tokio::time::timeout(3 * SECOND, ask(&failover, 60)).await;
        assert!(gone.is_err(), "the caller has gone away");
    }
    for play in [Play::Busy(1), Play::Fail(Kind::UndecodableImage), Play::Reject] {
        only.plays(play);
        for _ in 0..5 {
            assert!(ask(&failover, 10).await.is_err());
        }
    }
    only.plays(Play::Answer);
    assert_eq!(ask(&failover, 10).await.unwrap(), "a");
    only.plays(Play::Hang);
    for _ in 0..2 {
        assert_eq!(ask(&failover, 10).await.unwrap_err().kind(), Kind::DeadlineExceeded);
    }
    assert_eq!(ask(&failover, 10).await.unwrap_err().kind(), Kind::Unavailable, "after two fair tries it rests");
}
