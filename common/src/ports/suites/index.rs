//! Looking up by label, page by page, and erasing.

use std::time::Duration;

use uuid::Uuid;

use super::samples::{LEASE, accepted, analysis, event, id, query, recorded, won};
use crate::{
    analysis::{Analysis, Feature, Features},
    error::Kind,
    ports::{Archive, Claimed, Inbox, Index, Ledger, Outbox, Outcome},
    request::ImageId,
};

/// The behaviour of [`Index`].
pub async fn index<L: Ledger + Index + Archive + Outbox + Inbox>(ledger: &L) {
    pages(ledger).await;
    erasing(ledger).await;
    erasing_what_is_not_done(ledger).await;
}

async fn pages<L: Ledger + Index>(ledger: &L) {
    let word = format!("Ünique {}", Uuid::new_v4());
    let query = query(&[Feature::Labels], 2);
    let mut ids: Vec<ImageId> = Vec::new();
    for _ in 0..25 {
        // One moment for all of them: the order must not hang on the clock.
        let done = Analysis { analyzed_at: jiff::Timestamp::UNIX_EPOCH, ..analysis(&id(), &["cup", &word, "third"]) };
        recorded(ledger, &query, &done).await;
        ids.insert(0, done.id);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    for round in 0.. {
        let page = ledger.page(Some(&word.to_uppercase()), cursor.as_deref(), 10).await.unwrap();
        assert!(page.analyses.len() <= 10);
        assert!(page.analyses.iter().all(|analysis| analysis.findings.labels.as_ref().unwrap().len() == 2));
        seen.extend(page.analyses.into_iter().map(|analysis| analysis.id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
        // What comes or goes while somebody pages neither repeats nor hides the rest.
        recorded(ledger, &query, &analysis(&id(), &[&word])).await;
        if round == 0 {
            assert!(ledger.erase(&seen[9]).await.unwrap());
        }
    }
    assert_eq!(seen, ids);

    let newest = ledger.page(None, None, 1).await.unwrap();
    assert_eq!((newest.analyses.len(), newest.cursor.is_some()), (1, true));
    let exact = ledger.page(Some(&word), None, 100).await.unwrap();
    assert_eq!(exact.cursor, None, "the last page says so");
    assert!(ledger.page(Some("of nobody"), None, 10).await.unwrap().analyses.is_empty());
    assert!(
        ledger.page(Some(&word[..8]), None, 10).await.unwrap().analyses.is_empty(),
        "a part of a label is no label"
    );
    for nonsense in ["", "not a cursor", "' OR 1=1"] {
        assert_eq!(ledger.page(None, Some(nonsense), 10).await.unwrap_err().kind(), Kind::InvalidRequest);
    }
    let cut = analysis(&id(), &["a", "b", &format!("{word} cut")]);
    recorded(ledger, &query, &cut).await;
    let hidden = ledger.page(Some(&format!("{word} cut")), None, 10).await.unwrap();
    assert!(hidden.analyses.is_empty(), "a label that is not answered with is not held");
}

async fn erasing<L: Ledger + Index + Archive + Outbox>(ledger: &L) {
    let (labels, query) = (Features::default(), query(&[Feature::Labels], 10));
    let word = Uuid::new_v4().to_string();
    let first = analysis(&id(), &[&word]);
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
    let page = ledger.page(Some(&word), None, 10).await.unwrap();
    assert_eq!(
        page.analyses.into_iter().map(|analysis| analysis.id).collect::<Vec<_>>(),
        std::slice::from_ref(&second.id)
    );

    assert!(ledger.erase(&second.id).await.unwrap());
    assert_eq!(ledger.reusable(first.digest, &labels, Some(&first.detector)).await.unwrap(), None);
    assert!(ledger.page(Some(&word), None, 10).await.unwrap().analyses.is_empty());
    recorded(ledger, &query, &first).await;
    assert!(ledger.state(&first.id).await.unwrap().is_some(), "what was erased can be asked again");
}

async fn erasing_what_is_not_done<L: Ledger + Index + Archive + Inbox>(ledger: &L) {
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
