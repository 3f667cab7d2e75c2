//! Requests, analyses and events for the suites.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    analysis::{Analysis, DetectorId, Feature, Features, Findings, Label},
    error::{Error, Kind},
    event::{Event, Failure},
    image::{Digest, MediaType},
    moderation::{AuditLine, FailRule, Moderation, ReviewItem, Verdict},
    ports::{Claim, Claimed, Ledger, Outcome, Settlement},
    request::{Accepted, Caller, Cloud, ImageId, Query},
};

pub(super) const LEASE: Duration = Duration::from_secs(600);

/// An id that nobody has.
pub(super) fn id() -> ImageId {
    let digits = data_encoding::BASE32_NOPAD.encode(Uuid::new_v4().as_bytes()).to_lowercase();
    format!("local-{digits}").parse().unwrap()
}

pub(super) fn query(features: &[Feature], max_labels: u16) -> Query {
    Query::new(Features::new(features.iter().copied()).unwrap(), Some(max_labels), true).unwrap()
}

pub(super) fn detector() -> DetectorId {
    DetectorId { provider: "suite".to_owned(), model: Uuid::new_v4().to_string() }
}

/// An analysis of bytes that nobody has, with these labels.
pub(super) fn analysis(id: &ImageId, labels: &[&str]) -> Analysis {
    let label = |(place, word): (u8, &&str)| Label {
        description: (*word).to_owned(),
        score: 1.0 / f32::from(place + 1),
        mid: None,
    };
    let labels = (0..).zip(labels).map(label).collect();
    Analysis {
        part_of: None,
        id: id.clone(),
        request_id: format!("request of {id}"),
        digest: Digest::of(id.as_str().as_bytes()),
        source: Some(format!("https://example.com/{id}.jpg")),
        media_type: MediaType::Jpeg,
        width: 40,
        height: 30,
        detector: detector(),
        findings: Findings { labels: Some(labels), ..Findings::default() },
        analyzed_at: milliseconds(),
        duration_ms: 7,
    }
}

pub(super) fn failure(id: &ImageId) -> Failure {
    Failure::new(id, None, &Error::new(Kind::UndecodableImage, "the image is cut off"))
}

pub(super) fn accepted(id: &ImageId) -> Accepted {
    Accepted {
        part_of: None,
        id: id.clone(),
        source: Some("https://example.com/a.jpg".to_owned()),
        query: query(&[Feature::Labels, Feature::Text], 3),
        caller: Caller("somebody".to_owned()),
        request_id: "r-1".to_owned(),
        traceparent: None,
    }
}

/// What a policy says about `id`.
pub(super) fn moderation(id: &ImageId, verdict: Verdict) -> Moderation {
    Moderation {
        id: id.clone(),
        digest: Some(Digest::of(id.as_str().as_bytes())),
        source: Some(format!("bucket://local/{id}.jpg")),
        verdict,
        rule: Some("a rule".to_owned()),
        evidence: Vec::new(),
        policy: "0123456789ab".to_owned(),
        shadow: None,
        blurred: None,
        fails: FailRule::default(),
        decided_by: None,
        reason: None,
    }
}

/// What moderation publishes and logs about a decision, with a place on the review list where it waits for a person.
pub(super) fn decided(moderation: &Moderation, again: Option<&str>) -> Settlement {
    let mut event = Event::moderated(Cloud::Local, moderation, again, None);
    event.time = milliseconds();
    let review = (moderation.verdict == Verdict::Review)
        .then(|| ReviewItem { moderation: moderation.clone(), since: milliseconds() });
    Settlement { events: vec![event], audit: vec![AuditLine::of(moderation, milliseconds())], review }
}

/// What a store keeps of a time may be coarser than the clock.
fn milliseconds() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

pub(super) fn event(analysis: &Analysis) -> Event {
    let mut event = Event::labelled(Cloud::Local, analysis, None);
    event.time = milliseconds();
    event
}

pub(super) async fn won(ledger: &dyn Ledger, id: &ImageId) -> Claim {
    match ledger.claim(id, LEASE, true).await.unwrap() {
        Claimed::Won(claim) => claim,
        other => panic!("{id} should have been won: {other:?}"),
    }
}

/// Claims and records `analysis` with its event.
pub(super) async fn recorded(ledger: &dyn Ledger, query: &Query, analysis: &Analysis) {
    let claim = won(ledger, &analysis.id).await;
    let event = event(&analysis.clone().truncated(query.max_labels));
    ledger.record(&claim, query, Outcome::Done(Box::new(analysis.clone())), Some(&event)).await.unwrap();
}
