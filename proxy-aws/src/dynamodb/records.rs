//! How a request ends: its row, the analysis that it stands on and its event in one transaction; and how it is forgotten.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use common::{
    analysis::Analysis,
    error::{Error, Kind, Result},
    event::Event,
    ports::{Claim, Outcome},
    request::{ImageId, Query},
};

use super::{
    DynamoLedger, OUTBOX, Ttl,
    change::{Change, TTL, put_in_transaction},
    fault::lost,
    now_ms,
    rows::{Key, Row, number, object_of, packed, text},
    table::{Asked, Transacted, first_at_once, waited},
};

impl DynamoLedger {
    /// Writes the outcome while the claim holds.
    pub(super) async fn conclude(
        &self,
        claim: &Claim,
        query: &Query,
        outcome: &Outcome,
        event: Option<&Event>,
    ) -> Result<()> {
        let source = match outcome {
            Outcome::Done(analysis) => analysis.source.as_deref(),
            Outcome::Failed(failure) => failure.source.as_deref(),
        };
        let object = if self.objects { object_of(source) } else { None };
        let ttl = self.ttl();
        let ended = self.ended(claim, source, object.as_deref(), event, ttl.as_ref())?;
        let (ended, analysis) = match outcome {
            Outcome::Failed(failure) => (ended.set("failure_json", packed(failure)?), None),
            Outcome::Done(analysis) => {
                let key = Key::analysis(analysis.digest, &query.features, &analysis.detector);
                // Where the image came from belongs to the request alone.
                let body = packed(&Analysis { source: None, ..(**analysis).clone() })?;
                let ended = ended
                    .set("request_id", text(&analysis.request_id))
                    .set("max_labels", number(query.max_labels.into()))
                    .set("ana_pk", text(&key.pk))
                    .set("ana_sk", text(&key.sk))
                    .remove(&["failure_json"]);
                (ended, Some((key, body)))
            }
        };
        let mut beside = Vec::new();
        if let Some((key, body)) = &analysis {
            beside.push(stood_on(key, body, &claim.id, ttl.as_ref()).in_transaction(&self.table.name)?);
            beside.push(self.put(&key.reference(&claim.id), ttl.as_ref())?);
        }
        if let Some(object) = &object {
            beside.push(self.put(&Key::object(object, &claim.id), ttl.as_ref())?);
        }
        self.conclude_with(claim, ended, analysis.map(|(key, _)| key), beside).await
    }

    /// The end of the claim and what is said about it, without the outcome.
    fn ended(
        &self,
        claim: &Claim,
        source: Option<&str>,
        object: Option<&str>,
        event: Option<&Event>,
        ttl: Option<&Ttl>,
    ) -> Result<Change> {
        let ended = Change::of(Key::request(&claim.id))
            .remove(&["claim_token", "claim_ends_ms"])
            .set_or_remove("shown_source", source.map(text))
            .set_or_remove("object_key", object.map(text))
            .set_or_remove(TTL, ttl.map(|ttl| number(ttl.seconds)))
            .set_or_remove("expiring", ttl.map(|ttl| text(&ttl.day)))
            .only_if("claim_token = :claim")
            .with(":claim", text(&claim.token));
        let Some(event) = event else { return Ok(ended) };
        Ok(ended
            .set("event_json", packed(event)?)
            .set("event_id", text(&event.id))
            .set("event_told", AttributeValue::Bool(true))
            .set("outbox", text(OUTBOX))
            .set("recorded_ms", number(now_ms())))
    }

    async fn conclude_with(
        &self,
        claim: &Claim,
        ended: Change,
        analysis: Option<Key>,
        beside: Vec<TransactWriteItem>,
    ) -> Result<()> {
        let mut leaving: Option<Key> = None;
        let mut last = None;
        for pause in first_at_once() {
            waited(pause).await;
            let mut request = ended.clone();
            let mut others = beside.clone();
            if analysis.is_some() {
                request = match &leaving {
                    // Recorded anew on the same analysis counts once, because each that stands on it has a row of its own.
                    None => request.only_if("attribute_not_exists(ana_pk) OR (ana_pk = :ana_pk AND ana_sk = :ana_sk)"),
                    Some(old) => {
                        others.extend(self.leave(old, &claim.id).await?);
                        stands_on(request, Some(old))
                    }
                };
            }
            let mut writes = vec![request.in_transaction(&self.table.name)?];
            writes.append(&mut others);
            match self.table.transact(writes).await? {
                Transacted::Yes => return Ok(()),
                Transacted::Again(error) => last = Some(error),
                Transacted::No(row) if row.text("claim_token") != Some(&claim.token) => return Err(lost()),
                // It was recorded before, and another detector has answered since.
                Transacted::No(row) => leaving = row.analysis().filter(|old| Some(old) != analysis.as_ref()),
            }
        }
        Err(last.unwrap_or_else(lost))
    }

    /// Removes the request's row, what only it stands on and what processors know of the image; with `seen`, only while its
    /// end is still this one.
    pub(super) async fn forget(&self, id: &ImageId, seen: Option<i64>) -> Result<bool> {
        let mut last = None;
        for pause in first_at_once() {
            waited(pause).await;
            let row = self.table.get(&Key::request(id)).await?;
            if seen.is_some() && row.as_ref().and_then(|row| row.number("ttl")) != seen {
                return Ok(false);
            }
            // Before the request itself: after a crash in between, erasing it again erases the rest as well.
            let known = self.forget_findings(id).await?;
            let Some(row) = row else { return Ok(known) };
            let (analysis, object) = (row.analysis(), row.text("object_key"));
            let mut gone = stands_on(Change::of(Key::request(id)), analysis.as_ref());
            gone = match object {
                Some(object) => gone.only_if("object_key = :object_key").with(":object_key", text(object)),
                None => gone.only_if("attribute_not_exists(object_key)"),
            };
            if let Some(seen) = seen {
                gone = gone.only_if("#ttl = :seen").with(":seen", number(seen));
            }
            let mut writes = vec![gone.delete_in_transaction(&self.table.name)?];
            if let Some(object) = object {
                writes.push(Change::of(Key::object(object, id)).delete_in_transaction(&self.table.name)?);
            }
            if let Some(analysis) = &analysis {
                writes.extend(self.leave(analysis, id).await?);
            }
            match self.table.transact(writes).await? {
                Transacted::Yes => return Ok(true),
                Transacted::Again(error) => last = Some(error),
                Transacted::No(_) => {}
            }
        }
        let busy = || Error::new(Kind::Unavailable, "the request is being written; try again");
        Err(last.unwrap_or_else(busy))
    }

    /// Takes a request off its analysis, and the analysis away where nobody else stands on it. Each of these writes changes
    /// the analysis's count of changes and stands under the condition that nobody else has: of two that leave at the same
    /// time one looks again, and whoever joins finds the analysis or writes it anew.
    async fn leave(&self, analysis: &Key, id: &ImageId) -> Result<Vec<TransactWriteItem>> {
        let table = &self.table.name;
        let mut writes = vec![Change::of(analysis.reference(id)).delete_in_transaction(table)?];
        let Some(row) = self.table.get(analysis).await? else { return Ok(writes) };
        let asked = Asked {
            condition: "pk = :pk",
            values: [(":pk".to_owned(), text(analysis.references()))].into(),
            limit: Some(2),
            only: Some("sk"),
            ..Asked::default()
        };
        let standing = self.table.query(asked).await?;
        let other = standing.iter().filter_map(|row| row.text("sk")).find(|other| *other != id.as_str());
        let unchanged = Change::of(analysis.clone())
            .only_if("ana_changes = :changes")
            .with(":changes", number(row.number("ana_changes").unwrap_or_default()));
        writes.push(match other {
            None => unchanged.delete_in_transaction(table)?,
            Some(other) => {
                let holder = row.text("ana_holder").filter(|holder| *holder != id.as_str()).unwrap_or(other);
                unchanged.set("ana_holder", text(holder)).add("ana_changes", number(1)).in_transaction(table)?
            }
        });
        Ok(writes)
    }

    fn put(&self, key: &Key, ttl: Option<&Ttl>) -> Result<TransactWriteItem> {
        let mut item = key.item();
        if let Some(ttl) = ttl {
            item.insert("ttl".to_owned(), number(ttl.seconds));
        }
        put_in_transaction(&self.table.name, item)
    }
}

/// Keeps the first answer for the same bytes, features and detector, and says that `id` stands on it.
fn stood_on(key: &Key, body: &AttributeValue, id: &ImageId, ttl: Option<&Ttl>) -> Change {
    Change::of(key.clone())
        .set_once("body_json", body.clone())
        .set_once("recorded_ms", number(now_ms()))
        .set("ana_holder", text(id.as_str()))
        .set_or_remove(TTL, ttl.map(|ttl| number(ttl.seconds)))
        .add("ana_changes", number(1))
}

/// The condition that the request stands on what it was seen to stand on.
fn stands_on(change: Change, analysis: Option<&Key>) -> Change {
    match analysis {
        None => change.only_if("attribute_not_exists(ana_pk)"),
        Some(key) => change
            .only_if("ana_pk = :old_pk AND ana_sk = :old_sk")
            .with(":old_pk", text(&key.pk))
            .with(":old_sk", text(&key.sk)),
    }
}

impl DynamoLedger {
    /// How the request of this row ended, as it is answered; `None` while it has not, or where its analysis is gone.
    pub(super) async fn outcome(&self, id: &ImageId, row: &Row) -> Result<Option<Outcome>> {
        if let Some(key) = row.analysis()
            && let Some(kept) = self.table.get(&key).await?
            && let Some(kept) = kept.unpacked::<Analysis>("body_json")?
        {
            let request_id = row.text("request_id").unwrap_or_default().to_owned();
            let source = row.text("shown_source").map(ToOwned::to_owned);
            let most = row.number("max_labels").and_then(|most| u16::try_from(most).ok());
            let own = Analysis { id: id.clone(), request_id, source, ..kept };
            let own = own.truncated(most.unwrap_or(common::analysis::MAX_LABELS));
            return Ok(Some(Outcome::Done(Box::new(own))));
        }
        Ok(row.unpacked("failure_json")?.map(Outcome::Failed))
    }
}
