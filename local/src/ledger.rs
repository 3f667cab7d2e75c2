//! The ledger on SQLite: who works on which request, how it ended, what was promised and what is still to be published.
//! The rows' own words are in `rows`; looking up and erasing are in `archive`, what processors have done in `journal`, people's
//! numbers and replies in `messages`, what is remembered of faces in `faces`.

mod archive;
mod faces;
mod journal;
mod messages;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    event::Event,
    ports::{Claim, Claimed, Inbox, Ledger, Outbox, Outcome},
    request::{Accepted, ImageId, Query},
};
use rusqlite::{Connection, OptionalExtension, named_params, params};
use uuid::Uuid;

use crate::{
    db::{Database, Fault, ms, now_ms},
    owner::Owner,
};
pub use journal::TellingJournal;
use rows::{Row, conclude};

/// Abandoned claims that are remembered.
const ABANDONED: usize = 1024;

/// Implements every port that remembers. Clones share one file.
#[derive(Clone)]
pub struct SqliteLedger {
    db: Database,
    owner: Arc<Owner>,
    abandoned: Abandoned,
}

/// Tokens of claims that this process could not end because writing failed: nobody works on them.
type Abandoned = Arc<Mutex<HashSet<String>>>;

impl SqliteLedger {
    pub(crate) fn new(db: Database, owner: Arc<Owner>) -> Self {
        Self { db, owner, abandoned: Arc::default() }
    }

    /// Frees the claim in this process where its end could not be written, so that a full disk is not felt for longer than
    /// it is full.
    fn abandon<T>(&self, claim: &Claim, result: Result<T>) -> Result<T> {
        if result.is_err()
            && let Ok(mut abandoned) = self.abandoned.lock()
        {
            // What is forgotten here is free when its lease ends.
            if abandoned.len() >= ABANDONED {
                abandoned.clear();
            }
            abandoned.insert(claim.token.clone());
        }
        result
    }

    /// Lets the claims of processes that are gone be won at once.
    pub(crate) fn expire(connection: &Connection, owners: &[String]) -> Result<(), Fault> {
        for owner in owners {
            connection.execute("UPDATE request SET expires_ms = 0 WHERE owner = ?1", [owner])?;
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn claim(&self, id: &ImageId, lease: Duration, wants_event: bool) -> Result<Claimed> {
        let (key, abandoned) = (id.clone(), self.abandoned.clone());
        let seen = self.db.read(move |connection| standing(connection, &key, wants_event, &abandoned)).await?;
        if let Some(settled) = seen {
            return Ok(settled);
        }
        let (id, owner, token) = (id.clone(), self.owner.id.clone(), Uuid::new_v4().to_string());
        let abandoned = self.abandoned.clone();
        let win = move |connection: &Connection| {
            if let Some(settled) = standing(connection, &id, wants_event, &abandoned)? {
                return Ok(settled);
            }
            let now = now_ms();
            let sql =
                "INSERT INTO request (id, seen_ms, token, owner, expires_ms) VALUES (:id, :now, :token, :owner, :end)
                       ON CONFLICT (id) DO UPDATE SET token = :token, owner = :owner, expires_ms = :end";
            let end = now.saturating_add(ms(lease));
            let values =
                named_params! { ":id": id.as_str(), ":now": now, ":token": token, ":owner": owner, ":end": end };
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(Claimed::Won(Claim { id, token }))
        };
        self.db.write(win).await
    }

    async fn record(&self, claim: &Claim, query: &Query, outcome: Outcome, event: Option<&Event>) -> Result<()> {
        let event = event.map(|event| Ok::<_, Fault>((event.id.clone(), serde_json::to_string(event)?))).transpose()?;
        let (held, query) = (claim.clone(), query.clone());
        let record = move |connection: &Connection| {
            if !holds(connection, &held)? {
                return Err(Error::new(Kind::Unavailable, "the claim was lost to another worker").into());
            }
            conclude(connection, &held.id, &query, outcome, event.is_some())?;
            if let Some((event_id, body)) = event {
                let sql = "INSERT INTO outbox (event_id, request, recorded_ms, body) VALUES (?1, ?2, ?3, ?4)
                           ON CONFLICT (event_id) DO NOTHING";
                connection.prepare_cached(sql)?.execute(params![event_id, held.id.as_str(), now_ms(), body])?;
            }
            Ok(())
        };
        self.abandon(claim, self.db.write(record).await)
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let held = claim.clone();
        let release = move |connection: &Connection| {
            if holds(connection, &held)? {
                let sql =
                    "DELETE FROM request WHERE id = ?1 AND accepted IS NULL AND analysis IS NULL AND failure IS NULL";
                connection.prepare_cached(sql)?.execute([held.id.as_str()])?;
                let sql = "UPDATE request SET token = NULL, owner = NULL, expires_ms = NULL WHERE id = ?1";
                connection.prepare_cached(sql)?.execute([held.id.as_str()])?;
            }
            Ok(())
        };
        self.abandon(claim, self.db.write(release).await)
    }
}

/// What a claim on `id` finds; `None` when it can be won.
fn standing(
    connection: &Connection,
    id: &ImageId,
    wants_event: bool,
    abandoned: &Abandoned,
) -> Result<Option<Claimed>, Fault> {
    let Some(row) = Row::find(connection, id)? else { return Ok(None) };
    if row.told || !wants_event {
        match row.outcome()? {
            Some(Outcome::Done(analysis)) => return Ok(Some(Claimed::Done(analysis))),
            Some(Outcome::Failed(failure)) => return Ok(Some(Claimed::Failed(failure))),
            None => {}
        }
    }
    let is_abandoned = |token: &String| abandoned.lock().is_ok_and(|abandoned| abandoned.contains(token));
    if row.token.as_ref().is_some_and(is_abandoned) {
        return Ok(None);
    }
    let left = row.expires_ms.unwrap_or(0).saturating_sub(now_ms());
    Ok(u64::try_from(left).ok().filter(|left| *left > 0).map(|left| Claimed::Busy(Duration::from_millis(left))))
}

fn holds(connection: &Connection, claim: &Claim) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM request WHERE id = ?1 AND token = ?2";
    let found =
        connection.prepare_cached(sql)?.query_row(params![claim.id.as_str(), claim.token], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

#[async_trait]
impl Inbox for SqliteLedger {
    async fn accept(&self, accepted: &Accepted) -> Result<()> {
        let (id, body) = (accepted.id.clone(), serde_json::to_string(accepted).map_err(Fault::from)?);
        let accept = move |connection: &Connection| {
            let sql = "INSERT INTO request (id, seen_ms, accepted) VALUES (?1, ?2, ?3)
                       ON CONFLICT (id) DO UPDATE SET accepted = excluded.accepted WHERE accepted IS NULL";
            connection.prepare_cached(sql)?.execute(params![id.as_str(), now_ms(), body])?;
            Ok(())
        };
        self.db.write(accept).await
    }

    async fn accepted(&self, id: &ImageId) -> Result<Option<Accepted>> {
        let id = id.clone();
        let find = move |connection: &Connection| {
            let sql = "SELECT accepted FROM request WHERE id = ?1";
            let row = connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get::<_, Option<String>>(0));
            Ok(row.optional()?.flatten().map(|body| serde_json::from_str(&body)).transpose()?)
        };
        self.db.read(find).await
    }
}

#[async_trait]
impl Outbox for SqliteLedger {
    async fn unpublished(&self, age: Duration, limit: usize) -> Result<Vec<Event>> {
        let find = move |connection: &Connection| {
            let sql = "SELECT body FROM outbox WHERE recorded_ms <= ?1 ORDER BY num LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![now_ms().saturating_sub(ms(age)), limit], |row| row.get::<_, String>(0))?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        };
        self.db.read(find).await
    }

    async fn published(&self, event_id: &str) -> Result<()> {
        let event_id = event_id.to_owned();
        let remove = move |connection: &Connection| {
            connection.prepare_cached("DELETE FROM outbox WHERE event_id = ?1")?.execute([event_id])?;
            Ok(())
        };
        self.db.write(remove).await
    }
}
