//! What waits for a person.

use super::samples::{decided, id, moderation};
use crate::{
    moderation::Verdict,
    ports::{Journal, Reviews, Settled},
    request::ImageId,
};

/// The behaviour of [`Reviews`].
pub async fn reviews<L: Journal + Reviews>(ledger: &L) {
    let ids: Vec<ImageId> = (0..4).map(|_| id()).collect();
    for id in &ids {
        let settlement = decided(&moderation(id, Verdict::Review), None);
        ledger.settle("moderation", &format!("{id}:labelled"), id, &settlement).await.unwrap();
        // Two that begin to wait in the same millisecond have no order.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    assert_eq!(ours(ledger, &ids).await, ids, "the oldest first");
    let first = ledger.waiting(1).await.unwrap();
    assert_eq!(first.len(), 1);

    let allowed = moderation(&ids[1], Verdict::Allow);
    let settlement = decided(&allowed, Some("2"));
    let event_id = settlement.events[0].id.clone();
    for again in [Settled::Recorded, Settled::Before] {
        assert_eq!(ledger.settle("review", &event_id, &ids[1], &settlement).await.unwrap(), again);
    }
    assert_eq!(ours(ledger, &ids).await, [ids[0].clone(), ids[2].clone(), ids[3].clone()]);
    let log: Vec<Verdict> = ledger.audit(&ids[1], 10).await.unwrap().into_iter().map(|line| line.verdict).collect();
    assert_eq!(log, [Verdict::Allow, Verdict::Review], "the newest first");
    assert_eq!(ledger.audit(&ids[1], 1).await.unwrap().len(), 1);
    assert_eq!(ledger.audit(&id(), 10).await.unwrap(), []);
}

async fn ours<L: Reviews>(ledger: &L, ids: &[ImageId]) -> Vec<ImageId> {
    let waiting = ledger.waiting(10_000).await.unwrap().into_iter();
    waiting.map(|item| item.moderation.id).filter(|id| ids.contains(id)).collect()
}
