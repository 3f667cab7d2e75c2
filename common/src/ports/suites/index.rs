//! Looking up by label, page by page.

use uuid::Uuid;

use super::samples::{analysis, id, query, recorded};
use crate::{
    analysis::{Analysis, Feature},
    error::Kind,
    ports::{Erase, Index, Ledger},
    request::ImageId,
};

/// The behaviour of [`Index`].
pub async fn index<L: Ledger + Index + Erase>(ledger: &L) {
    pages(ledger).await;
    what_is_erased_is_listed_no_more(ledger).await;
}

async fn pages<L: Ledger + Index + Erase>(ledger: &L) {
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

async fn what_is_erased_is_listed_no_more<L: Ledger + Index + Erase>(ledger: &L) {
    let (query, word) = (query(&[Feature::Labels], 10), Uuid::new_v4().to_string());
    let first = analysis(&id(), &[&word]);
    let second = Analysis { id: id(), ..first.clone() };
    recorded(ledger, &query, &first).await;
    recorded(ledger, &query, &second).await;
    for (erased, left) in [(&first.id, vec![second.id.clone()]), (&second.id, Vec::new())] {
        assert!(ledger.erase(erased).await.unwrap());
        let page = ledger.page(Some(&word), None, 10).await.unwrap();
        assert_eq!(page.analyses.into_iter().map(|analysis| analysis.id).collect::<Vec<_>>(), left);
    }
}
