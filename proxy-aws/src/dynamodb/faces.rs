//! What is remembered of faces. Rows of vectors stand in the index `outbox` under a value of their own, in the order of their
//! age: DynamoDB must not let one go before the vector is deleted.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use common::{
    error::Result,
    faces::{Collection, Erasure, Mark, Note, Vector},
    message::Owner,
    ports::{Adding, Consents, Notes, Vectors},
};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::{
    DAY, DynamoLedger, GRACE,
    change::{Change, TTL},
    ms, now_ms,
    rows::{Key, Row, number, packed, text},
    table::{Asked, Written},
};

/// The partition of the index that holds vectors.
const AGEING: &str = "faces";
/// How long a note stays that is no line of the audit log: longer than its request can be delivered.
const NOTE_DAYS: i64 = 30;
/// Rows that are deleted at the same time.
const AT_ONCE: usize = 16;

#[async_trait]
impl Vectors for DynamoLedger {
    async fn begin(&self, vector: &Vector, lease: Duration) -> Result<Adding> {
        let now = now_ms();
        let row = |change: Change| {
            let change = change
                .set("vector_json", packed(vector)?)
                .set("outbox", text(AGEING))
                .set("recorded_ms", number(vector.added_at.as_millisecond()))
                .set("claim_ends_ms", number(now.saturating_add(ms(lease))));
            Ok::<_, common::error::Error>(change)
        };
        let key = Key::vector(&vector.collection, &vector.mark);
        let first = row(Change::of(key.clone()).only_if("attribute_not_exists(pk)"))?;
        let Written::No(known) = self.table.write(&first).await? else { return Ok(Adding::First) };
        if known.has("kept") {
            return Ok(Adding::Kept);
        }
        let left = known.number("claim_ends_ms").unwrap_or_default().saturating_sub(now);
        if let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) {
            return Ok(Adding::Busy(Duration::from_millis(left)));
        }
        let again = row(Change::of(key)
            .only_if("attribute_not_exists(kept)")
            .only_if("claim_ends_ms <= :now")
            .with(":now", number(now)))?;
        match self.table.write(&again).await? {
            Written::Yes => Ok(Adding::Again),
            // Somebody else was faster in this moment.
            Written::No(_) => Ok(Adding::Busy(lease)),
        }
    }

    async fn keep(&self, vector: &Vector) -> Result<()> {
        let kept = Change::of(Key::vector(&vector.collection, &vector.mark))
            .set("vector_json", packed(vector)?)
            .set("outbox", text(AGEING))
            .set("recorded_ms", number(vector.added_at.as_millisecond()))
            .set("kept", number(1));
        self.table.write(&kept).await.map(drop)
    }

    async fn gone(&self, collection: &Collection, marks: Option<&[Mark]>) -> Result<()> {
        let keys: Vec<Key> = match marks {
            Some(marks) => marks.iter().map(|mark| Key::vector(collection, mark)).collect(),
            None => {
                let (pk, begin) = Key::vectors(collection);
                let values = [(":pk".to_owned(), text(pk)), (":begin".to_owned(), text(begin))].into();
                let condition = "pk = :pk AND begins_with(sk, :begin)";
                let asked = Asked { condition, values, only: Some("pk, sk"), ..Asked::default() };
                self.table.query(asked).await?.iter().filter_map(Row::key).collect()
            }
        };
        for some in keys.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|key| self.table.delete(key))).await?;
        }
        Ok(())
    }

    async fn older(&self, before: Timestamp, limit: usize) -> Result<Vec<Vector>> {
        let values = [(":of".to_owned(), text(AGEING)), (":before".to_owned(), number(before.as_millisecond()))].into();
        let condition = "outbox = :of AND recorded_ms < :before";
        let asked = Asked { index: Some("outbox"), condition, values, limit: Some(limit), ..Asked::default() };
        let keys: Vec<Key> = self.table.query(asked).await?.iter().filter_map(Row::key).collect();
        // The index follows the table with a delay: the row itself says whether it is still there.
        let mut found: HashMap<Key, Vector> = HashMap::new();
        for row in self.table.get_many(&keys, Some("pk, sk, vector_json")).await? {
            if let (Some(key), Some(vector)) = (row.key(), row.unpacked("vector_json")?) {
                found.insert(key, vector);
            }
        }
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }
}

#[async_trait]
impl Consents for DynamoLedger {
    async fn agreed(&self, owner: &Owner) -> Result<Option<Timestamp>> {
        let row = self.table.get(&Key::consent(owner)).await?;
        let at = row.and_then(|row| row.number("agreed_ms"));
        Ok(at.map(|at| Timestamp::from_millisecond(at).unwrap_or_default()))
    }

    async fn agree(&self, owner: &Owner, at: Timestamp) -> Result<()> {
        let agree = Change::of(Key::consent(owner)).set_once("agreed_ms", number(at.as_millisecond()));
        self.table.write(&agree).await.map(drop)
    }
}

#[async_trait]
impl Notes for DynamoLedger {
    async fn note(&self, owner: &Owner, request: &Mark, note: &Note) -> Result<Note> {
        let change =
            Change::of(Key::note(owner, request)).set("note_json", packed(note)?).only_if("attribute_not_exists(pk)");
        let change = match note {
            Note::Erased(_) => change,
            Note::Existed(_) => {
                let until = (now_ms() / 1000).saturating_add(NOTE_DAYS * DAY).saturating_add(GRACE);
                change.set(TTL, number(until))
            }
        };
        match self.table.write(&change).await? {
            Written::Yes => Ok(note.clone()),
            Written::No(row) => Ok(row.unpacked("note_json")?.unwrap_or_else(|| note.clone())),
        }
    }

    async fn noted(&self, owner: &Owner, request: &Mark) -> Result<Option<Note>> {
        let row = self.table.get(&Key::note(owner, request)).await?;
        Ok(row.map(|row| row.unpacked("note_json")).transpose()?.flatten())
    }

    async fn erasures(&self, owner: &Owner, limit: usize) -> Result<Vec<Erasure>> {
        let (pk, begin) = Key::notes(owner);
        let values = [(":pk".to_owned(), text(pk)), (":begin".to_owned(), text(begin))].into();
        let asked = Asked { condition: "pk = :pk AND begins_with(sk, :begin)", values, ..Asked::default() };
        let mut erasures = Vec::new();
        for row in self.table.query(asked).await? {
            if let Some(Note::Erased(erasure)) = row.unpacked("note_json")? {
                erasures.push(erasure);
            }
        }
        erasures.sort_by_key(|erasure| std::cmp::Reverse(erasure.at));
        erasures.truncate(limit);
        Ok(erasures)
    }
}
