//! What is remembered of faces: which vectors there are since when and who is adding one, who has agreed, and what was noted about
//! requests. Names of people are nowhere in it.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::Result,
    faces::{Collection, Erasure, Mark, Note, Vector},
    message::Owner,
    ports::{Adding, Consents, Notes, Vectors},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use crate::db::{Fault, ms, now_ms};

#[async_trait]
impl Vectors for SqliteLedger {
    async fn begin(&self, vector: &Vector, lease: Duration) -> Result<Adding> {
        let vector = vector.clone();
        let begin = move |connection: &Connection| {
            let (owner, name) = (vector.collection.owner.as_str(), vector.collection.name.as_str());
            let now = now_ms();
            let sql = "SELECT kept, ends_ms FROM face_vector WHERE owner = ?1 AND collection = ?2 AND mark = ?3";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?));
            let known = connection.prepare_cached(sql)?.query_row(params![owner, name, vector.mark.as_str()], read);
            let begun = match known.optional()? {
                None => Adding::First,
                Some((true, _)) => return Ok(Adding::Kept),
                Some((false, ends)) => match u64::try_from(ends.saturating_sub(now)) {
                    Ok(left) if left > 0 => return Ok(Adding::Busy(Duration::from_millis(left))),
                    _ => Adding::Again,
                },
            };
            let sql = "INSERT INTO face_vector (owner, collection, mark, added_ms, ends_ms, body)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT (owner, collection, mark) DO UPDATE SET ends_ms = excluded.ends_ms";
            let (added, ends) = (vector.added_at.as_millisecond(), now.saturating_add(ms(lease)));
            let values = params![owner, name, vector.mark.as_str(), added, ends, serde_json::to_string(&vector)?];
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(begun)
        };
        self.db.write(begin).await
    }

    async fn keep(&self, vector: &Vector) -> Result<()> {
        let vector = vector.clone();
        let keep = move |connection: &Connection| {
            let sql = "INSERT INTO face_vector (owner, collection, mark, added_ms, ends_ms, body, kept)
                       VALUES (?1, ?2, ?3, ?4, 0, ?5, 1)
                       ON CONFLICT (owner, collection, mark) DO UPDATE SET kept = 1";
            let Collection { owner, name } = &vector.collection;
            let (added, body) = (vector.added_at.as_millisecond(), serde_json::to_string(&vector)?);
            let values = params![owner.as_str(), name.as_str(), vector.mark.as_str(), added, body];
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        };
        self.db.write(keep).await
    }

    async fn gone(&self, collection: &Collection, marks: Option<&[Mark]>) -> Result<()> {
        let (collection, marks) = (collection.clone(), marks.map(<[Mark]>::to_vec));
        let forget = move |connection: &Connection| {
            let (owner, name) = (collection.owner.as_str(), collection.name.as_str());
            let Some(marks) = marks else {
                let sql = "DELETE FROM face_vector WHERE owner = ?1 AND collection = ?2";
                connection.prepare_cached(sql)?.execute([owner, name])?;
                return Ok(());
            };
            let sql = "DELETE FROM face_vector WHERE owner = ?1 AND collection = ?2 AND mark = ?3";
            for mark in &marks {
                connection.prepare_cached(sql)?.execute([owner, name, mark.as_str()])?;
            }
            Ok(())
        };
        self.db.write(forget).await
    }

    async fn older(&self, before: Timestamp, limit: usize) -> Result<Vec<Vector>> {
        let find = move |connection: &Connection| {
            let sql = "SELECT body FROM face_vector WHERE added_ms < ?1 ORDER BY added_ms LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![before.as_millisecond(), limit], |row| row.get::<_, String>(0))?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        };
        self.db.read(find).await
    }
}

#[async_trait]
impl Consents for SqliteLedger {
    async fn agreed(&self, owner: &Owner) -> Result<Option<Timestamp>> {
        let owner = owner.clone();
        let find = move |connection: &Connection| {
            let sql = "SELECT agreed_ms FROM face_consent WHERE owner = ?1";
            let at = connection.prepare_cached(sql)?.query_row([owner.as_str()], |row| row.get(0)).optional()?;
            Ok(at.map(|at| Timestamp::from_millisecond(at).unwrap_or_default()))
        };
        self.db.read(find).await
    }

    async fn agree(&self, owner: &Owner, at: Timestamp) -> Result<()> {
        let owner = owner.clone();
        let agree = move |connection: &Connection| {
            let sql = "INSERT INTO face_consent (owner, agreed_ms) VALUES (?1, ?2) ON CONFLICT (owner) DO NOTHING";
            connection.prepare_cached(sql)?.execute(params![owner.as_str(), at.as_millisecond()])?;
            Ok(())
        };
        self.db.write(agree).await
    }
}

#[async_trait]
impl Notes for SqliteLedger {
    async fn note(&self, owner: &Owner, request: &Mark, note: &Note) -> Result<Note> {
        let (owner, request, note) = (owner.clone(), request.clone(), note.clone());
        let write = move |connection: &Connection| {
            if let Some(first) = noted(connection, &owner, &request)? {
                return Ok(first);
            }
            let sql = "INSERT INTO face_note (owner, request, at_ms, erased_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)";
            let erased = match &note {
                Note::Erased(erasure) => Some(erasure.at.as_millisecond()),
                Note::Existed(_) => None,
            };
            let body = serde_json::to_string(&note)?;
            let values = params![owner.as_str(), request.as_str(), now_ms(), erased, body];
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(note)
        };
        self.db.write(write).await
    }

    async fn noted(&self, owner: &Owner, request: &Mark) -> Result<Option<Note>> {
        let (owner, request) = (owner.clone(), request.clone());
        self.db.read(move |connection| noted(connection, &owner, &request)).await
    }

    async fn erasures(&self, owner: &Owner, limit: usize) -> Result<Vec<Erasure>> {
        let owner = owner.clone();
        let find = move |connection: &Connection| {
            let sql = "SELECT body FROM face_note WHERE owner = ?1 AND erased_ms IS NOT NULL
                       ORDER BY erased_ms DESC, rowid DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![owner.as_str(), limit], |row| row.get::<_, String>(0))?;
            let notes = rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect::<Result<Vec<Note>, Fault>>()?;
            let erased = |note| match note {
                Note::Erased(erasure) => Some(erasure),
                Note::Existed(_) => None,
            };
            Ok(notes.into_iter().filter_map(erased).collect())
        };
        self.db.read(find).await
    }
}

fn noted(connection: &Connection, owner: &Owner, request: &Mark) -> Result<Option<Note>, Fault> {
    let sql = "SELECT body FROM face_note WHERE owner = ?1 AND request = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let body = statement.query_row([owner.as_str(), request.as_str()], |row| row.get::<_, String>(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

/// Forgets what was noted before `before_ms` and is no erasure, up to `limit` of it.
pub(super) fn purge(connection: &Connection, before_ms: i64, limit: usize) -> Result<usize, Fault> {
    let sql = "DELETE FROM face_note WHERE rowid IN
               (SELECT rowid FROM face_note WHERE at_ms < ?1 AND erased_ms IS NULL LIMIT ?2)";
    Ok(connection.prepare_cached(sql)?.execute(params![before_ms, limit])?)
}
