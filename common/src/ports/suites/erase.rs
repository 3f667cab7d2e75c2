//! Erasing.

use std::time::Duration;

use super::samples::{LEASE, accepted, analysis, event, id, query, recorded, won};
use crate::{
    analysis::{Analysis, Feature, Features},
    error::Kind,
    ports::{Archive, Claimed, Erase, Inbox, Ledger, Outbox, Outcome},
};

/// The behaviour of [`Erase`].
pub async fn erase<L: Ledger + Erase + Archive + Outbox + Inbox>(ledger: &L) {
    erasing(ledger).await;
    erasing_what_is_not_done(ledger).await;
}

async fn erasing<L: Ledger + Erase + Archive + Outbox>(ledger: &L) {
    let (labels, query) = (Features::default(), query(&[Feature::Labels], 10));
    let first = analysis(&id(), &["cup"]);
    let second = Analysis { id: id(), ..first.clone() };
    recorded(ledger, &query, &first).await;
    recorded(ledger, &query, &second).await;

    assert!(ledger.erase(&first.id).await.unwrap());
    assert!(!ledger.erase(&first.id).await.unwrap(), "there was nothing any more");
    assert_eq!(ledger.state(&first.id).await.unwrap(), None);
    let waiting = ledger.unpublished(Duration::ZERO, 10_000).await.unwrap();
    assert!(waiting.iter().all(|waiting| waiting.id != event(&first).id), "its event would tell of it");
    assert!(waiting.iter().any(|waiting| waiting.id == event(&second).id));
    let kept = ledger.reusable(first.digest, &labels, Some(&first.detector)).await.unwrap();
    assert_eq!(kept.map(|kept| kept.id), Some(second.id.clone()), "another request stands on it");

    assert!(ledger.erase(&second.id).await.unwrap());
    assert_eq!(ledger.reusable(first.digest, &labels, Some(&first.detector)).await.unwrap(), None);
    recorded(ledger, &query, &first).await;
    assert!(ledger.state(&first.id).await.unwrap().is_some(), "what was erased can be asked again");
}

async fn erasing_what_is_not_done<L: Ledger + Erase + Archive + Inbox>(ledger: &L) {
    let id = id();
    ledger.accept(&accepted(&id)).await.unwrap();
    let claim = won(ledger, &id).await;
    assert!(ledger.erase(&id).await.unwrap());
    assert_eq!(ledger.accepted(&id).await.unwrap(), None);
    let late = Outcome::Done(Box::new(analysis(&id, &["cup"])));
    let lost = ledger.record(&claim, &query(&[Feature::Labels], 10), late, None).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Unavailable, "work that was erased under way is not recorded");
    assert!(matches!(ledger.claim(&id, LEASE, true).await.unwrap(), Claimed::Won(_)));
}
