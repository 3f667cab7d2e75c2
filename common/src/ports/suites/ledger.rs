//! Claims, records and the outbox.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use super::samples::{LEASE, analysis, event, failure, id, query, recorded, won};
use crate::{
    analysis::Feature,
    error::{Kind, Retry},
    ports::{Archive, Claim, Claimed, Ledger, Outbox, Outcome, State},
};

/// The behaviour of [`Ledger`].
pub async fn ledger<L: Ledger + Archive + Outbox + 'static>(ledger: Arc<L>) {
    one_of_many_wins(&ledger).await;
    a_busy_request_says_how_long(ledger.as_ref()).await;
    a_claim_expires(ledger.as_ref()).await;
    a_released_claim_is_won_at_once(ledger.as_ref()).await;
    a_lost_claim_changes_nothing(ledger.as_ref()).await;
    a_recorded_request_is_not_won_again(ledger.as_ref()).await;
    an_event_that_was_not_wanted_can_be_wanted_later(ledger.as_ref()).await;
    outcome_and_event_are_one(ledger.as_ref()).await;
}

async fn one_of_many_wins<L: Ledger + 'static>(ledger: &Arc<L>) {
    let id = id();
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (ledger, id) = (ledger.clone(), id.clone());
        tasks.spawn(async move { ledger.claim(&id, LEASE, true).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let won = answers.iter().filter(|claimed| matches!(claimed, Claimed::Won(_))).count();
    assert_eq!(won, 1, "{answers:?}");
    assert!(answers.iter().all(|claimed| matches!(claimed, Claimed::Won(_) | Claimed::Busy(_))), "{answers:?}");
}

async fn a_busy_request_says_how_long(ledger: &dyn Ledger) {
    let id = id();
    won(ledger, &id).await;
    let Claimed::Busy(wait) = ledger.claim(&id, LEASE, false).await.unwrap() else { panic!("not busy") };
    assert!(!wait.is_zero() && wait <= LEASE, "{wait:?}");
}

async fn a_claim_expires(ledger: &dyn Ledger) {
    let id = id();
    let Claimed::Won(first) = ledger.claim(&id, Duration::from_millis(100), true).await.unwrap() else {
        panic!("not won")
    };
    let second = loop {
        match ledger.claim(&id, LEASE, true).await.unwrap() {
            Claimed::Won(claim) => break claim,
            Claimed::Busy(_) => sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(first.token, second.token);
    let done = Outcome::Done(Box::new(analysis(&id, &["cup"])));
    let late = ledger.record(&first, &query(&[Feature::Labels], 10), done.clone(), None).await.unwrap_err();
    assert_eq!((late.kind(), late.retry()), (Kind::Unavailable, Retry::Later));
    ledger.record(&second, &query(&[Feature::Labels], 10), done, None).await.unwrap();
}

async fn a_released_claim_is_won_at_once(ledger: &(impl Ledger + Archive)) {
    let id = id();
    let claim = won(ledger, &id).await;
    ledger.release(&claim).await.unwrap();
    assert_eq!(ledger.state(&id).await.unwrap(), None, "a claim alone leaves nothing behind");
    let next = won(ledger, &id).await;
    ledger.release(&claim).await.unwrap();
    let busy = ledger.claim(&id, LEASE, true).await.unwrap();
    assert!(matches!(busy, Claimed::Busy(_)), "releasing a lost claim has freed {next:?}: {busy:?}");
}

async fn a_lost_claim_changes_nothing<L: Ledger + Archive + Outbox>(ledger: &L) {
    let id = id();
    won(ledger, &id).await;
    let forged = Claim { id: id.clone(), token: "guessed".to_owned() };
    let analysis = analysis(&id, &["cup"]);
    let (query, event) = (query(&[Feature::Labels], 10), event(&analysis));
    let lost =
        ledger.record(&forged, &query, Outcome::Done(Box::new(analysis.clone())), Some(&event)).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Unavailable);
    assert_eq!(ledger.state(&id).await.unwrap(), None);
    let (digest, detector) = (analysis.digest, &analysis.detector);
    assert_eq!(ledger.reusable(digest, &query.features, Some(detector)).await.unwrap(), None);
    assert!(!waiting(ledger).await.contains(&event.id));
}

async fn a_recorded_request_is_not_won_again(ledger: &(impl Ledger + Archive)) {
    let done = analysis(&id(), &["espresso", "cup", "saucer"]);
    recorded(ledger, &query(&[Feature::Labels], 2), &done).await;
    let shown = done.clone().truncated(2);
    for wants_event in [true, false] {
        let claimed = ledger.claim(&done.id, LEASE, wants_event).await.unwrap();
        assert_eq!(claimed, Claimed::Done(Box::new(shown.clone())));
    }
    let id = id();
    let claim = won(ledger, &id).await;
    let failed = failure(&id);
    let event = crate::event::Event::failed(crate::request::Cloud::Local, &failed, None);
    ledger.record(&claim, &query(&[Feature::Labels], 2), Outcome::Failed(failed.clone()), Some(&event)).await.unwrap();
    assert_eq!(ledger.claim(&id, LEASE, true).await.unwrap(), Claimed::Failed(failed.clone()));
    assert_eq!(ledger.state(&id).await.unwrap(), Some(State::Failed(failed)));
    assert_eq!(
        ledger
            .record(&claim, &query(&[Feature::Labels], 2), Outcome::Failed(failure(&id)), None)
            .await
            .unwrap_err()
            .kind(),
        Kind::Unavailable,
        "a claim ends with its record"
    );
}

async fn an_event_that_was_not_wanted_can_be_wanted_later<L: Ledger + Archive + Outbox>(ledger: &L) {
    let done = analysis(&id(), &["cup"]);
    let query = query(&[Feature::Labels], 10);
    let claim = won(ledger, &done.id).await;
    ledger.record(&claim, &query, Outcome::Done(Box::new(done.clone())), None).await.unwrap();
    let quiet = ledger.claim(&done.id, LEASE, false).await.unwrap();
    assert_eq!(quiet, Claimed::Done(Box::new(done.clone())));
    recorded(ledger, &query, &done).await;
    assert!(waiting(ledger).await.contains(&event(&done).id));
    assert!(matches!(ledger.claim(&done.id, LEASE, true).await.unwrap(), Claimed::Done(_)));
    assert_eq!(ledger.state(&done.id).await.unwrap(), Some(State::Done(Box::new(done))));
}

async fn outcome_and_event_are_one<L: Ledger + Archive + Outbox>(ledger: &L) {
    let done = analysis(&id(), &["cup"]);
    recorded(ledger, &query(&[Feature::Labels], 10), &done).await;
    assert_eq!(ledger.state(&done.id).await.unwrap(), Some(State::Done(Box::new(done.clone()))));
    let events = ledger.unpublished(Duration::ZERO, 10_000).await.unwrap();
    let kept: Vec<_> = events.iter().filter(|event| event.subject == done.id).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].id, &kept[0].data), (&event(&done).id, &event(&done).data));
}

/// The behaviour of [`Outbox`].
pub async fn outbox<L: Ledger + Outbox>(ledger: &L) {
    let query = query(&[Feature::Labels], 10);
    let mut told = Vec::new();
    for word in ["one", "two", "three"] {
        let done = analysis(&id(), &[word]);
        recorded(ledger, &query, &done).await;
        told.push(event(&done).id);
    }
    let ours = |ids: Vec<String>| ids.into_iter().filter(|id| told.contains(id)).collect::<Vec<_>>();
    assert_eq!(ours(waiting(ledger).await), told, "the oldest comes first");
    let young = ledger.unpublished(LEASE, 10_000).await.unwrap();
    assert!(young.iter().all(|event| !told.contains(&event.id)), "they are too young");
    assert_eq!(ledger.unpublished(Duration::ZERO, 1).await.unwrap().len(), 1);
    for _ in 0..2 {
        ledger.published(&told[1]).await.unwrap();
        assert_eq!(ours(waiting(ledger).await), [told[0].clone(), told[2].clone()]);
    }
    ledger.published("of nobody").await.unwrap();
}

async fn waiting(outbox: &dyn Outbox) -> Vec<String> {
    let events = outbox.unpublished(Duration::ZERO, 10_000).await.unwrap();
    events.into_iter().map(|event| event.id).collect()
}
