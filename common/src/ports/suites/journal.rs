//! What processors have done.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::samples::{analysis, decided, event, id, moderation, query, recorded};
use crate::{
    analysis::Feature,
    event::{Event, Payload},
    moderation::Verdict,
    ports::{Dossier, Dossiers, Erase, Journal, Ledger, Outbox, Reviews, Settled, Settlement},
    request::{Cloud, ImageId},
    translation::Translations,
};

/// The behaviour of [`Journal`] and [`Dossiers`], with their part of [`Outbox`] and [`Erase`].
pub async fn journal<L: Journal + Dossiers + Reviews + Outbox + Ledger + Erase + 'static>(ledger: Arc<L>) {
    one_of_many_settles(&ledger).await;
    what_is_settled_waits_to_be_published(ledger.as_ref()).await;
    the_newest_of_each_kind_is_known(ledger.as_ref()).await;
    erasing_leaves_the_audit_log(ledger.as_ref()).await;
}

async fn waiting<L: Outbox>(ledger: &L, image: &ImageId) -> Vec<Event> {
    let events = ledger.unpublished(Duration::ZERO, 10_000).await.unwrap();
    events.into_iter().filter(|event| event.image() == image).collect()
}

async fn one_of_many_settles<L: Journal + Outbox + Reviews + 'static>(ledger: &Arc<L>) {
    let id = id();
    let event_id = format!("{id}:labelled");
    assert!(!ledger.is_settled("first", &event_id).await.unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (ledger, id, event_id) = (ledger.clone(), id.clone(), event_id.clone());
        let settlement = decided(&moderation(&id, Verdict::Blur), None);
        tasks.spawn(async move { ledger.settle("first", &event_id, &id, &settlement).await });
    }
    // One that could not be told apart from the others may be sent away to come back.
    let counted = tasks.join_all().await.into_iter().filter(|settled| matches!(settled, Ok(Settled::Recorded))).count();
    assert_eq!(counted, 1, "of many that settle one event, one counts");
    assert!(ledger.is_settled("first", &event_id).await.unwrap());
    assert!(!ledger.is_settled("second", &event_id).await.unwrap(), "each processor has its own marks");
    assert!(!ledger.is_settled("first", &format!("{id}:failed")).await.unwrap());
    assert_eq!(ledger.audit(&id, 10).await.unwrap().len(), 1, "one line, however often it was settled");
    let other = ledger.settle("second", &event_id, &id, &Settlement::default()).await.unwrap();
    assert_eq!(other, Settled::Recorded);
    assert_eq!(waiting(ledger.as_ref(), &id).await.len(), 1);
}

async fn what_is_settled_waits_to_be_published<L: Journal + Outbox + Ledger>(ledger: &L) {
    let analysis = analysis(&id(), &["cup"]);
    recorded(ledger, &query(&[Feature::Labels], 10), &analysis).await;
    let labelled = event(&analysis);
    let settlement = decided(&moderation(&analysis.id, Verdict::Allow), None);
    ledger.settle("moderation", &labelled.id, &analysis.id, &settlement).await.unwrap();
    let mut kinds: Vec<String> = waiting(ledger, &analysis.id).await.into_iter().map(|event| event.id).collect();
    kinds.sort();
    assert_eq!(kinds, [format!("{}:labelled", analysis.id), format!("{}:moderated", analysis.id)]);
    ledger.published(&labelled.id).await.unwrap();
    assert_eq!(waiting(ledger, &analysis.id).await, settlement.events, "the other one stays, as it was");
    for _ in 0..2 {
        ledger.published(&settlement.events[0].id).await.unwrap();
    }
    assert_eq!(waiting(ledger, &analysis.id).await, []);
}

async fn the_newest_of_each_kind_is_known<L: Journal + Dossiers + Outbox>(ledger: &L) {
    let id = id();
    assert_eq!(ledger.dossier(&id).await.unwrap(), Dossier::default());
    let (first, later) = (moderation(&id, Verdict::Quarantine), moderation(&id, Verdict::Allow));
    ledger.settle("moderation", &format!("{id}:labelled"), &id, &decided(&first, None)).await.unwrap();
    assert_eq!(ledger.dossier(&id).await.unwrap().moderation, Some(first));
    let translations = Translations {
        id: id.clone(),
        source: None,
        languages: vec!["es".parse().unwrap()],
        translated: Vec::new(),
        missing: [("es".parse().unwrap(), vec!["cup".to_owned()])].into(),
    };
    let told = Event::translated(Cloud::Local, &translations, None);
    let settlement = Settlement { events: vec![told], ..Settlement::default() };
    ledger.settle("translation", &format!("{id}:labelled"), &id, &settlement).await.unwrap();
    ledger.settle("review", &format!("{id}:moderated-2"), &id, &decided(&later, Some("2"))).await.unwrap();
    let known = Dossier { moderation: Some(later), translations: Some(translations) };
    assert_eq!(ledger.dossier(&id).await.unwrap(), known);
    let waiting = waiting(ledger, &id).await;
    assert_eq!(waiting.len(), 3, "a later decision does not take an earlier one's event away");
    assert!(waiting.iter().any(|event| matches!(&event.data, Payload::Translated(_))));
}

async fn erasing_leaves_the_audit_log<L: Journal + Dossiers + Reviews + Outbox + Ledger + Erase>(ledger: &L) {
    let analysis = analysis(&id(), &["cup"]);
    let id = analysis.id.clone();
    recorded(ledger, &query(&[Feature::Labels], 10), &analysis).await;
    let event_id = format!("{id}:labelled");
    let settlement = decided(&moderation(&id, Verdict::Review), None);
    ledger.settle("moderation", &event_id, &id, &settlement).await.unwrap();
    assert!(ledger.waiting(10_000).await.unwrap().iter().any(|item| item.moderation.id == id));
    assert!(ledger.erase(&id).await.unwrap());
    assert!(ledger.waiting(10_000).await.unwrap().iter().all(|item| item.moderation.id != id));
    assert_eq!(ledger.dossier(&id).await.unwrap(), Dossier::default());
    assert_eq!(waiting(ledger, &id).await, []);
    assert!(!ledger.is_settled("moderation", &event_id).await.unwrap(), "asked again it is worked on again");
    assert_eq!(ledger.audit(&id, 10).await.unwrap(), settlement.audit);
}
