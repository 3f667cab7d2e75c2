//! Looking analyses up, paging through them, erasing them, and letting old ones go.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    analysis::{Analysis, DetectorId, Features},
    error::{Error, Kind, Result},
    image::Digest,
    ports::{Archive, Erase, Index, Outcome, Page, State},
    request::ImageId,
};
use rusqlite::{Connection, params};

use super::{
    SqliteLedger, faces, journal, messages,
    rows::{Row, detach, reusable, word},
};
use crate::db::{Fault, ms, now_ms};

/// Requests forgotten in one transaction, so that others get their turn.
const PURGE_STEP: usize = 200;

#[async_trait]
impl Archive for SqliteLedger {
    async fn reusable(
        &self,
        digest: Digest,
        features: &Features,
        detector: Option<&DetectorId>,
    ) -> Result<Option<Analysis>> {
        let (features, detector) = (features.clone(), detector.cloned());
        let find = move |connection: &Connection| {
            let detector = detector.as_ref().map(|detector| (detector.provider.as_str(), detector.model.as_str()));
            reusable(connection, digest, &features, detector)
        };
        self.db.read(find).await
    }

    async fn state(&self, id: &ImageId) -> Result<Option<State>> {
        let id = id.clone();
        let find = move |connection: &Connection| {
            let Some(row) = Row::find(connection, &id)? else { return Ok(None) };
            Ok(match row.outcome()? {
                Some(Outcome::Done(analysis)) => Some(State::Done(analysis)),
                Some(Outcome::Failed(failure)) => Some(State::Failed(failure)),
                None => row.accepted.then_some(State::Pending),
            })
        };
        self.db.read(find).await
    }
}

#[async_trait]
impl Index for SqliteLedger {
    async fn page(&self, label: Option<&str>, cursor: Option<&str>, limit: usize) -> Result<Page> {
        let (word, before) = (label.map(word), cursor.map_or(Ok(i64::MAX), position)?);
        let limit = limit.clamp(1, 100);
        let find = move |connection: &Connection| {
            let mut rows = Row::page(connection, word.as_deref(), before, limit.saturating_add(1))?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let last = rows.last().and_then(|row| row.seq).filter(|_| more);
            let mut analyses = Vec::with_capacity(rows.len());
            for row in rows {
                if let Some(Outcome::Done(analysis)) = row.outcome()? {
                    analyses.push(*analysis);
                }
            }
            Ok(Page { analyses, cursor: last.map(|seq| format!("{seq:x}")) })
        };
        self.db.read(find).await
    }
}

#[async_trait]
impl Erase for SqliteLedger {
    async fn erase(&self, id: &ImageId) -> Result<bool> {
        let id = id.clone();
        self.db.write(move |connection| forget(connection, &id)).await
    }
}

impl SqliteLedger {
    /// Forgets the requests that were recorded, or were left unfinished without a promise, longer ago than `age`; returns
    /// how many. Events that are not yet published stay, and so do promises that are not kept yet.
    pub async fn purge(&self, age: Duration) -> Result<usize> {
        let before = now_ms().saturating_sub(ms(age));
        let mut total = 0_usize;
        loop {
            let step = move |connection: &Connection| {
                let sql = "SELECT id FROM request r WHERE seen_ms < ?1 AND coalesce(expires_ms, 0) < ?2
                           AND (analysis IS NOT NULL OR failure IS NOT NULL OR accepted IS NULL)
                           AND NOT EXISTS (SELECT 1 FROM outbox WHERE request = r.id) ORDER BY seen_ms LIMIT ?3";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map(params![before, now_ms(), PURGE_STEP], |row| row.get::<_, String>(0))?;
                let ids = rows.collect::<Result<Vec<_>, _>>()?;
                for id in &ids {
                    forget(connection, &id.parse()?)?;
                }
                let strays = journal::purge(connection, before, PURGE_STEP)?;
                let (notes, numbers) =
                    (faces::purge(connection, before, PURGE_STEP)?, messages::purge(connection, PURGE_STEP)?);
                Ok(ids.len().max(strays).max(notes).max(numbers))
            };
            let count = self.db.write(step).await?;
            total = total.saturating_add(count);
            if count < PURGE_STEP {
                return Ok(total);
            }
        }
    }
}

fn forget(connection: &Connection, id: &ImageId) -> Result<bool, Fault> {
    detach(connection, id)?;
    journal::forget(connection, id)?;
    connection.prepare_cached("DELETE FROM outbox WHERE request = ?1")?.execute([id.as_str()])?;
    Ok(connection.prepare_cached("DELETE FROM request WHERE id = ?1")?.execute([id.as_str()])? > 0)
}

/// Reads a cursor that a page gave.
fn position(cursor: &str) -> Result<i64> {
    i64::from_str_radix(cursor, 16)
        .map_err(|error| Error::new(Kind::InvalidRequest, "not a cursor of this list").because(error))
}
