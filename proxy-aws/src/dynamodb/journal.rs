//! What processors have done about an image and what they know of it: all that one event leads to is one transaction, which
//! begins with the mark that it was done.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use common::{
    error::{Error, Kind, Result},
    event::{Event, Topic},
    ports::{Dossier, Dossiers, Journal, Settled, Settlement},
    request::ImageId,
};

use super::{
    DAY, DynamoLedger, GRACE, OUTBOX,
    change::{Change, TTL},
    is_over, now_ms,
    rows::{AUDIT, FACT, Key, Row, number, packed, text},
    table::{Asked, Transacted, first_at_once, waited},
};

/// How long a mark stays: longer than a message can live in a queue and, after that, among the dead letters, each two weeks at
/// the most (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MARK_DAYS: i64 = 30;
/// Writes in one transaction that erases
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>), less one for a place on the
/// review list.
const TOGETHER: usize = 99;

#[async_trait]
impl Journal for DynamoLedger {
    async fn is_settled(&self, processor: &str, event_id: &str) -> Result<bool> {
        Ok(self.table.get(&Key::mark(processor, event_id)).await?.is_some())
    }

    async fn settle(
        &self,
        processor: &str,
        event_id: &str,
        image: &ImageId,
        settlement: &Settlement,
    ) -> Result<Settled> {
        let until = (now_ms() / 1000).saturating_add(MARK_DAYS * DAY).saturating_add(GRACE);
        let mark = Change::of(Key::mark(processor, event_id))
            .set(TTL, number(until))
            .only_if("attribute_not_exists(pk)")
            .in_transaction(&self.table.name)?;
        let mut last = None;
        for pause in first_at_once() {
            waited(pause).await;
            let mut writes = vec![mark.clone()];
            writes.extend(self.facts(image, settlement).await?);
            writes.extend(self.traces(processor, event_id, settlement)?);
            match self.table.transact(writes).await? {
                Transacted::Yes => return Ok(Settled::Recorded),
                Transacted::No(_) => return Ok(Settled::Before),
                Transacted::Again(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(busy))
    }
}

#[async_trait]
impl Dossiers for DynamoLedger {
    async fn dossier(&self, id: &ImageId) -> Result<Dossier> {
        let values = [(":pk".to_owned(), text(Key::image(id.as_str()))), (":begin".to_owned(), text(FACT))].into();
        let condition = "pk = :pk AND begins_with(sk, :begin)";
        let rows = self.table.query(Asked { condition, values, ..Asked::default() }).await?;
        let fact = |topic| {
            let sk = Key::fact(id, topic).sk;
            rows.iter().find(|row| row.text("sk") == Some(&sk) && !is_over(row))
        };
        Ok(Dossier {
            moderation: fact(Topic::ImageModerated).map(|row| row.unpacked("data_json")).transpose()?.flatten(),
            translations: fact(Topic::LabelsTranslated).map(|row| row.unpacked("data_json")).transpose()?.flatten(),
        })
    }
}

impl DynamoLedger {
    /// What is known from now on, and the image's place on the review list. The row of the decision remembers the place, and
    /// each change of either stands under the condition that the place is the one that was seen.
    async fn facts(&self, image: &ImageId, settlement: &Settlement) -> Result<Vec<TransactWriteItem>> {
        let mut facts: Vec<Change> = Vec::new();
        // Of several events of a kind the last is the newest.
        for event in settlement.events.iter().rev().filter(|event| Topic::OF_IMAGES.contains(&event.topic())) {
            let key = Key::fact(event.image(), event.topic());
            if facts.iter().all(|fact| fact.key != key) {
                facts.push(self.ending(Change::of(key).set("data_json", packed(&event.data)?)));
            }
        }
        let key = Key::fact(image, Topic::ImageModerated);
        let decision = match facts.iter().position(|fact| fact.key == key) {
            Some(place) => facts.swap_remove(place),
            None if settlement.review.is_some() => self.ending(Change::of(key.clone())),
            None => return facts.into_iter().map(|fact| fact.in_transaction(&self.table.name)).collect(),
        };
        let seen = self.table.get(&key).await?.and_then(|row| row.text("review_sk").map(Key::review_place));
        let place = settlement.review.as_ref().map(|item| Key::review(item.since, image));
        let decision = unmoved(decision, seen.as_ref());
        facts.push(decision.set_or_remove("review_sk", place.as_ref().map(|place| text(&place.sk))));
        if let (Some(place), Some(item)) = (&place, &settlement.review) {
            facts.push(self.ending(Change::of(place.clone()).set("item_json", packed(item)?)));
        }
        let mut writes: Vec<TransactWriteItem> =
            facts.into_iter().map(|fact| fact.in_transaction(&self.table.name)).collect::<Result<_>>()?;
        if let Some(left) = seen.filter(|seen| Some(seen) != place.as_ref()) {
            writes.push(Change::of(left).delete_in_transaction(&self.table.name)?);
        }
        Ok(writes)
    }

    /// The events for the outbox, and the lines of the audit log.
    fn traces(&self, processor: &str, event_id: &str, settlement: &Settlement) -> Result<Vec<TransactWriteItem>> {
        let event = |event: &Event| {
            let unpublished = Change::of(Key::event(event.image().as_str(), &event.id))
                .set("event_json", packed(event)?)
                .set("outbox", text(OUTBOX))
                .set("recorded_ms", number(now_ms()));
            self.ending(unpublished).in_transaction(&self.table.name)
        };
        let events = settlement.events.iter().map(event);
        let lines = settlement.audit.iter().enumerate().map(|(n, line)| {
            let line = Change::of(Key::audit(line, processor, event_id, n)).set("line_json", packed(line)?);
            line.in_transaction(&self.table.name)
        });
        events.chain(lines).collect()
    }

    /// Erases all that processors know of an image, but for the audit log; whether there was anything.
    pub(super) async fn forget_findings(&self, id: &ImageId) -> Result<bool> {
        let (mut pauses, mut known) = (first_at_once(), false);
        loop {
            let values = [(":pk".to_owned(), text(Key::image(id.as_str())))].into();
            let only = Some("pk, sk, review_sk");
            let rows = self.table.query(Asked { condition: "pk = :pk", values, only, ..Asked::default() }).await?;
            let goes = |row: &&Row| row.text("sk").is_some_and(|sk| !sk.starts_with(AUDIT));
            let rows: Vec<&Row> = rows.iter().filter(goes).take(TOGETHER).collect();
            if rows.is_empty() {
                return Ok(known);
            }
            let mut writes = Vec::new();
            for row in rows {
                let Some(key) = row.key() else { continue };
                let place = row.text("review_sk").map(Key::review_place);
                let gone = unmoved(Change::of(key), place.as_ref());
                writes.push(gone.delete_in_transaction(&self.table.name)?);
                if let Some(place) = place {
                    writes.push(Change::of(place).delete_in_transaction(&self.table.name)?);
                }
            }
            match self.table.transact(writes).await? {
                Transacted::Yes => known = true,
                // The image was put on the review list, or taken off it, in this moment.
                Transacted::No(_) => wait(&mut pauses, busy()).await?,
                Transacted::Again(error) => wait(&mut pauses, error).await?,
            }
        }
    }
}

/// The condition that the image's place on the review list is the one that was seen.
fn unmoved(change: Change, place: Option<&Key>) -> Change {
    match place {
        Some(place) => change.only_if("review_sk = :seen_sk").with(":seen_sk", text(&place.sk)),
        None => change.only_if("attribute_not_exists(review_sk)"),
    }
}

/// Waits before the next try, until there is none left.
async fn wait(pauses: &mut impl Iterator<Item = Duration>, error: Error) -> Result<()> {
    let pause = pauses.next().ok_or(error)?;
    tokio::time::sleep(pause).await;
    Ok(())
}

fn busy() -> Error {
    Error::new(Kind::Unavailable, "what is known of the image is being written; try again")
}
