//! What waits to be published, what is over, what stands on an object and what has ended: the lists that sweeps and backfills
//! work off.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    error::Result,
    event::{Event, Topic},
    ports::Outbox,
    request::{ImageId, ObjectRef},
};

use super::{
    DAY, DynamoLedger, GRACE, OUTBOX,
    change::Change,
    day, is_over, ms, now_ms,
    rows::{Key, Row, number, text},
    table::Asked,
};
use crate::sequencer::Sequencer;

/// DynamoDB removes what has passed its `ttl` within a few days
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html>), so nothing older is looked for.
const DAYS_BACK: i64 = 4;

#[async_trait]
impl Outbox for DynamoLedger {
    async fn unpublished(&self, age: Duration, limit: usize) -> Result<Vec<Event>> {
        let keys: Vec<Key> = self.waiting(age, Some(limit)).await?.iter().filter_map(Row::key).collect();
        // The index follows the table with a delay: the row itself says whether the event still waits.
        let rows = self.table.get_many(&keys, Some("pk, sk, event_json, outbox")).await?;
        let mut found: HashMap<Key, Event> = HashMap::new();
        for row in rows.iter().filter(|row| row.has("outbox")) {
            if let (Some(key), Some(event)) = (row.key(), row.unpacked("event_json")?) {
                found.insert(key, event);
            }
        }
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }

    async fn published(&self, event_id: &str) -> Result<()> {
        let named = event_id.split_once(':').and_then(|(id, kind)| Some((id.parse::<ImageId>().ok()?, kind)));
        // Nobody has recorded an event with such a name.
        let Some((id, kind)) = named else { return Ok(()) };
        // The pipeline's events lie in their requests' rows, those of processors have rows of their own.
        if ![Topic::ImageLabelled.kind(), Topic::ImageFailed.kind()].contains(&kind) {
            return self.table.delete(&Key::event(id.as_str(), event_id)).await;
        }
        let told = Change::of(Key::request(&id))
            .remove(&["event_json", "event_id", "outbox", "recorded_ms"])
            .only_if("event_id = :event_id")
            .with(":event_id", text(event_id));
        self.table.write(&told).await.map(drop)
    }
}

impl DynamoLedger {
    /// How long the oldest event has been waiting to be published; `None` where none waits.
    pub async fn outbox_age(&self) -> Result<Option<Duration>> {
        let oldest = self.waiting(Duration::ZERO, Some(1)).await?;
        let recorded = oldest.first().and_then(|row| row.number("recorded_ms"));
        Ok(recorded.map(|recorded| Duration::from_millis(now_ms().saturating_sub(recorded).try_into().unwrap_or(0))))
    }

    /// Up to `limit` requests whose retention is over, those of the earliest day first. Reads take them for gone already;
    /// erasing them is the sweep's work.
    pub async fn over(&self, limit: usize) -> Result<Vec<ImageId>> {
        let last = now_ms() / 1000 + GRACE;
        let mut ids = Vec::new();
        for back in (0..=DAYS_BACK + GRACE / DAY).rev() {
            let left = limit.saturating_sub(ids.len());
            if left == 0 {
                break;
            }
            let of_day = day(last - back * DAY);
            let values = [(":day".to_owned(), text(of_day)), (":last".to_owned(), number(last))].into();
            let condition = "expiring = :day AND #ttl <= :last";
            let asked = Asked { index: Some("expiring"), condition, values, limit: Some(left), ..Asked::default() };
            ids.extend(self.table.query(asked).await?.iter().filter_map(Row::id));
        }
        Ok(ids)
    }

    /// The requests that were recorded about an object, where [`DynamoLedger::with_object_index`] was chosen; without those
    /// whose object is known to have been created after `until`.
    pub async fn objects(&self, bucket: &str, key: &str, until: Option<&Sequencer>) -> Result<Vec<ImageId>> {
        let values = [(":pk".to_owned(), text(Key::objects(&format!("{bucket}/{key}"))))].into();
        let asked = Asked { condition: "pk = :pk", values, only: Some("sk, sequencer"), ..Asked::default() };
        let rows = self.table.query(asked).await?;
        let is_newer = |row: &Row| row.text("sequencer").zip(until).is_some_and(|(own, until)| own > until.as_str());
        rows.iter().filter(|row| !is_newer(row)).filter_map(|row| row.text("sk")).map(str::parse).collect()
    }

    /// Remembers when the object was created that `id` was recorded about; of several times the last.
    pub async fn created(&self, object: &ObjectRef, id: &ImageId, sequencer: &Sequencer) -> Result<()> {
        let key = Key::object(&format!("{}/{}", object.bucket, object.key), id);
        let later = Change::of(key)
            .set("sequencer", text(sequencer.as_str()))
            .only_if("attribute_exists(pk)")
            .only_if("attribute_not_exists(sequencer) OR sequencer < :sequencer");
        self.table.write(&later).await.map(drop)
    }

    /// Which of these requests have ended, with an analysis or with a failure.
    pub async fn recorded(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>> {
        // A key that stands twice in one call is refused.
        let different: HashSet<&ImageId> = ids.iter().collect();
        let keys: Vec<Key> = different.into_iter().map(Key::request).collect();
        let rows = self.table.get_many(&keys, Some("pk, ana_pk, failure_json, #ttl")).await?;
        Ok(rows.iter().filter(|row| row.is_settled() && !is_over(row)).filter_map(Row::id).collect())
    }

    /// The keys of rows whose event has waited for this long, the oldest first.
    async fn waiting(&self, age: Duration, limit: Option<usize>) -> Result<Vec<Row>> {
        let until = now_ms().saturating_sub(ms(age));
        let values = [(":outbox".to_owned(), text(OUTBOX)), (":until".to_owned(), number(until))].into();
        let condition = "outbox = :outbox AND recorded_ms <= :until";
        self.table.query(Asked { index: Some("outbox"), condition, values, limit, ..Asked::default() }).await
    }
}
