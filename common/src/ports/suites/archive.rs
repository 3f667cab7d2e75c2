//! What is remembered about images and promises.

use super::samples::{LEASE, accepted, analysis, detector, id, query, recorded, won};
use crate::{
    analysis::{Analysis, Feature, Features},
    image::Digest,
    ports::{Archive, Claimed, Inbox, Ledger, State},
};

/// The behaviour of [`Archive`].
pub async fn archive<L: Ledger + Archive>(ledger: &L) {
    let labels = Features::default();
    let both = Features::new([Feature::Labels, Feature::Text]).unwrap();
    let first = analysis(&id(), &["espresso", "cup", "saucer"]);
    let (digest, detector) = (first.digest, first.detector.clone());
    assert_eq!(ledger.reusable(digest, &labels, Some(&detector)).await.unwrap(), None);
    assert_eq!(ledger.state(&first.id).await.unwrap(), None);

    recorded(ledger, &query(&[Feature::Labels], 1), &first).await;
    assert_eq!(ledger.state(&first.id).await.unwrap(), Some(State::Done(Box::new(first.clone().truncated(1)))));
    let found = ledger.reusable(digest, &labels, Some(&detector)).await.unwrap().expect("an answer for the same bytes");
    assert_eq!(found.findings, first.findings, "all labels are kept for reuse");
    exactly(ledger, &first, &both).await;

    // Another request, with another source, stands on the same answer.
    let second = Analysis { id: id(), request_id: "r-2".to_owned(), source: None, ..found };
    recorded(ledger, &query(&[Feature::Labels], 2), &second).await;
    assert_eq!(ledger.state(&second.id).await.unwrap(), Some(State::Done(Box::new(second.clone().truncated(2)))));
    assert_eq!(ledger.state(&first.id).await.unwrap(), Some(State::Done(Box::new(first.clone().truncated(1)))));

    // A newer answer by somebody else.
    let other = Analysis { id: id(), detector: self::detector(), ..first.clone() };
    recorded(ledger, &query(&[Feature::Labels], 10), &other).await;
    let newest = ledger.reusable(digest, &labels, None).await.unwrap().expect("an answer by anybody");
    assert_eq!(newest.detector, other.detector);
    let named = ledger.reusable(digest, &labels, Some(&detector)).await.unwrap().expect("still the first one");
    assert_eq!(named.detector, detector);
}

async fn exactly<L: Ledger + Archive>(ledger: &L, first: &Analysis, more: &Features) {
    let (labels, detector) = (Features::default(), &first.detector);
    assert_eq!(ledger.reusable(first.digest, more, Some(detector)).await.unwrap(), None, "other features");
    assert_eq!(ledger.reusable(first.digest, more, None).await.unwrap(), None, "other features, by anybody");
    assert_eq!(ledger.reusable(Digest::of(b"other"), &labels, Some(detector)).await.unwrap(), None, "other bytes");
    let elsewhere = self::detector();
    assert_eq!(ledger.reusable(first.digest, &labels, Some(&elsewhere)).await.unwrap(), None, "another detector");
}

/// The behaviour of [`Inbox`].
pub async fn inbox<L: Ledger + Inbox + Archive>(ledger: &L) {
    let id = id();
    assert_eq!(ledger.accepted(&id).await.unwrap(), None);
    let promise = accepted(&id);
    ledger.accept(&promise).await.unwrap();
    let other = crate::request::Accepted { request_id: "r-2".to_owned(), ..promise.clone() };
    ledger.accept(&other).await.unwrap();
    assert_eq!(ledger.accepted(&id).await.unwrap(), Some(promise.clone()), "the first promise stands");
    assert_eq!(ledger.state(&id).await.unwrap(), Some(State::Pending));

    let claim = won(ledger, &id).await;
    ledger.accept(&promise).await.unwrap();
    assert!(
        matches!(ledger.claim(&id, LEASE, true).await.unwrap(), Claimed::Busy(_)),
        "accepting does not end a claim"
    );
    assert_eq!(ledger.state(&id).await.unwrap(), Some(State::Pending));
    ledger.release(&claim).await.unwrap();
    assert_eq!(ledger.accepted(&id).await.unwrap(), Some(promise.clone()), "a release does not break a promise");

    let done = analysis(&id, &["cup"]);
    recorded(ledger, &query(&[Feature::Labels, Feature::Text], 3), &done).await;
    ledger.accept(&promise).await.unwrap();
    assert_eq!(ledger.state(&id).await.unwrap(), Some(State::Done(Box::new(done))));

    // What is in work already can be promised.
    let busy = self::id();
    won(ledger, &busy).await;
    ledger.accept(&accepted(&busy)).await.unwrap();
    assert_eq!(ledger.accepted(&busy).await.unwrap(), Some(accepted(&busy)));
}
