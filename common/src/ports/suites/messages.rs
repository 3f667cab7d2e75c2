//! What is remembered about numbers and replies.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use crate::{
    message::{Owner, PhoneNumber},
    ports::{Begun, Ended, Numbers, Replies, Rest, Standing},
    request::{Cloud, ImageId},
};

const LEASE: Duration = Duration::from_secs(60);
const GONE: Duration = Duration::ZERO;
const CAP: u32 = 3;

/// The behaviour of [`Numbers`].
pub async fn numbers(numbers: &dyn Numbers) {
    let (owner, other) = (owner(), owner());
    assert_eq!(numbers.standing(&owner, day(1)).await.unwrap(), Standing::default());
    numbers.stop(&owner, false).await.unwrap();
    assert!(!numbers.standing(&owner, day(1)).await.unwrap().stopped);
    for _ in 0..2 {
        numbers.stop(&owner, true).await.unwrap();
        assert!(numbers.standing(&owner, day(2)).await.unwrap().stopped);
    }
    assert!(!numbers.standing(&other, day(1)).await.unwrap().stopped, "each number is its own");
    numbers.stop(&owner, false).await.unwrap();
    assert_eq!(numbers.standing(&owner, day(1)).await.unwrap(), Standing::default());

    join_all((0..8).map(|_| numbers.count(&owner, day(1)))).await.into_iter().for_each(Result::unwrap);
    assert_eq!(numbers.standing(&owner, day(1)).await.unwrap().today, 8);
    assert_eq!(numbers.standing(&owner, day(2)).await.unwrap().today, 0, "each day begins at nothing");
    assert_eq!(numbers.standing(&other, day(1)).await.unwrap().today, 0);
}

/// The behaviour of [`Replies`], with what it shares with [`Numbers`].
pub async fn replies<S: Replies + Numbers>(store: &S) {
    one_at_a_time_sends(store).await;
    how_it_ended_decides_what_the_next_one_does(store).await;
    a_day_has_its_cap(store).await;
    a_stopped_number_gets_nothing(store).await;
    the_rest_is_remembered(store).await;
}

async fn one_at_a_time_sends(store: &dyn Replies) {
    let (owner, reply) = (owner(), reply());
    let begun = join_all((0..8).map(|_| store.begin(&reply, &owner, day(1), CAP, LEASE))).await;
    let begun: Vec<Begun> = begun.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::First).count(), 1, "{begun:?}");
    let busy = |begun: &&Begun| matches!(begun, Begun::Busy(left) if *left <= LEASE && *left > Duration::ZERO);
    assert_eq!(begun.iter().filter(busy).count(), 7, "{begun:?}");

    let receipt = format!("SM{}", Uuid::new_v4().simple());
    assert!(!store.is_receipt(&receipt).await.unwrap());
    store.end(&reply, &owner, &sent(&receipt, None)).await.unwrap();
    assert!(store.is_receipt(&receipt).await.unwrap());
    assert_eq!(store.begin(&reply, &owner, day(2), CAP, LEASE).await.unwrap(), Begun::Sent);
}

async fn how_it_ended_decides_what_the_next_one_does(store: &dyn Replies) {
    let (owner, reply, begin) = (owner(), reply(), Timestamp::now());
    let next = async |lease| store.begin(&reply, &owner, day(1), CAP, lease).await.unwrap();
    assert_eq!(next(LEASE).await, Begun::First);
    store.end(&reply, &owner, &Ended::Unsent).await.unwrap();
    assert_eq!(next(LEASE).await, Begun::First, "nothing went out");
    store.end(&reply, &owner, &Ended::Unclear).await.unwrap();
    let Begun::Again(since) = next(GONE).await else { panic!("what happened is not known") };
    assert!(since.as_millisecond() >= begin.as_millisecond() && since <= Timestamp::now());
    // The lease ran out, as that of a process does that dies.
    assert_eq!(next(LEASE).await, Begun::Again(since), "the first try is the one to be looked for");
    assert!(matches!(next(LEASE).await, Begun::Busy(_)));
    store.end(&reply, &owner, &Ended::Unsent).await.unwrap();
    assert_eq!(next(LEASE).await, Begun::First);
}

async fn a_day_has_its_cap<S: Replies + Numbers>(store: &S) {
    let owner = owner();
    let replies: Vec<String> = (0..6).map(|_| reply()).collect();
    let begun = join_all(replies.iter().map(|reply| store.begin(reply, &owner, day(1), CAP, LEASE))).await;
    let begun: Vec<Begun> = begun.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::First).count(), 3, "{begun:?}");
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Capped).count(), 3, "{begun:?}");
    assert_eq!(store.standing(&owner, day(1)).await.unwrap().today, 3);
    let first = begun.iter().position(|begun| *begun == Begun::First).unwrap();
    store.end(&replies[first], &owner, &Ended::Unsent).await.unwrap();
    let again = store.begin(&replies[first], &owner, day(1), CAP, LEASE).await.unwrap();
    assert_eq!(again, Begun::First, "what was counted goes out");
    assert_eq!(store.standing(&owner, day(1)).await.unwrap().today, 3, "and counts once");
    let capped = begun.iter().position(|begun| *begun == Begun::Capped).unwrap();
    assert_eq!(store.begin(&replies[capped], &owner, day(2), CAP, LEASE).await.unwrap(), Begun::First);
    store.count(&owner, day(3)).await.unwrap();
    assert_eq!(store.begin(&reply(), &owner, day(3), 1, LEASE).await.unwrap(), Begun::Capped, "all messages count");
}

async fn a_stopped_number_gets_nothing<S: Replies + Numbers>(store: &S) {
    let (owner, begun, new) = (owner(), reply(), reply());
    store.begin(&begun, &owner, day(1), CAP, LEASE).await.unwrap();
    store.end(&begun, &owner, &Ended::Unsent).await.unwrap();
    store.stop(&owner, true).await.unwrap();
    for reply in [&begun, &new] {
        assert_eq!(store.begin(reply, &owner, day(1), CAP, LEASE).await.unwrap(), Begun::Stopped);
    }
    store.stop(&owner, false).await.unwrap();
    assert_eq!(store.begin(&new, &owner, day(1), CAP, LEASE).await.unwrap(), Begun::First);
}

async fn the_rest_is_remembered<S: Replies + Numbers>(store: &S) {
    let owner = owner();
    let rest = |parts: u32| {
        let of = ImageId::of_message(Cloud::Local, "SM1", 0);
        Rest { of, parts, text: "the rest \u{1f98a} of \"it\"".to_owned() }
    };
    let known = async || store.standing(&owner, day(1)).await.unwrap().rest;
    for (remembered, then) in [
        (Some(Some(rest(1))), Some(rest(1))),
        (None, Some(rest(1))),
        (Some(Some(rest(2))), Some(rest(2))),
        (Some(None), None),
    ] {
        let reply = reply();
        store.begin(&reply, &owner, day(1), 100, LEASE).await.unwrap();
        store.end(&reply, &owner, &sent(&Uuid::new_v4().to_string(), remembered)).await.unwrap();
        assert_eq!(known().await, then);
    }
    store.stop(&owner, true).await.unwrap();
    assert!(store.standing(&owner, day(1)).await.unwrap().stopped, "one does not change the other");
}

fn sent(receipt: &str, rest: Option<Option<Rest>>) -> Ended {
    Ended::Sent { receipt: receipt.to_owned(), rest }
}

fn day(number: i8) -> Date {
    Date::new(2026, 11, number).unwrap()
}

/// A number that no run has used.
fn owner() -> Owner {
    let digits = Uuid::new_v4().as_u128() % 1_000_000_000_000;
    format!("+1{digits:012}").parse::<PhoneNumber>().unwrap().owner()
}

fn reply() -> String {
    format!("{}:reply", ImageId::of_message(Cloud::Local, &Uuid::new_v4().to_string(), 0))
}
