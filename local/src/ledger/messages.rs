//! What is remembered about people's numbers and about replies.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::Result,
    message::Owner,
    ports::{Begun, Ended, Numbers, Replies, Standing},
};
use jiff::{Timestamp, civil::Date};
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use crate::db::{Fault, ms, now_ms};

/// How long replies and days are remembered: longer than a dead letter is likely to be brought back.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);

#[async_trait]
impl Numbers for SqliteLedger {
    async fn standing(&self, owner: &Owner, day: Date) -> Result<Standing> {
        let owner = owner.clone();
        self.db.read(move |connection| standing(connection, &owner, day)).await
    }

    async fn stop(&self, owner: &Owner, stopped: bool) -> Result<()> {
        let owner = owner.clone();
        let stop = move |connection: &Connection| {
            let sql = "INSERT INTO number (owner, stopped) VALUES (?1, ?2)
                       ON CONFLICT (owner) DO UPDATE SET stopped = excluded.stopped";
            connection.prepare_cached(sql)?.execute(params![owner.as_str(), stopped])?;
            Ok(())
        };
        self.db.write(stop).await
    }

    async fn count(&self, owner: &Owner, day: Date) -> Result<()> {
        let owner = owner.clone();
        self.db.write(move |connection| count(connection, &owner, day)).await
    }
}

#[async_trait]
impl Replies for SqliteLedger {
    async fn begin(&self, reply: &str, owner: &Owner, day: Date, cap: u32, lease: Duration) -> Result<Begun> {
        let (reply, owner) = (reply.to_owned(), owner.clone());
        self.db.write(move |connection| begin(connection, &reply, &owner, day, cap, lease)).await
    }

    async fn end(&self, reply: &str, owner: &Owner, ended: &Ended) -> Result<()> {
        let (reply, owner, ended) = (reply.to_owned(), owner.clone(), ended.clone());
        let end = move |connection: &Connection| {
            match ended {
                Ended::Unsent => {
                    let sql = "UPDATE reply SET state = 'unsent', since_ms = NULL, until_ms = 0 WHERE id = ?1";
                    connection.prepare_cached(sql)?.execute([reply])?;
                }
                Ended::Unclear => {
                    connection.prepare_cached("UPDATE reply SET until_ms = 0 WHERE id = ?1")?.execute([reply])?;
                }
                Ended::Sent { receipt, rest } => {
                    let sql = "UPDATE reply SET state = 'sent', receipt = ?2 WHERE id = ?1";
                    connection.prepare_cached(sql)?.execute([reply, receipt])?;
                    if let Some(rest) = rest {
                        let rest = rest.map(|rest| serde_json::to_string(&rest)).transpose()?;
                        let sql = "INSERT INTO number (owner, rest) VALUES (?1, ?2)
                                   ON CONFLICT (owner) DO UPDATE SET rest = excluded.rest";
                        connection.prepare_cached(sql)?.execute(params![owner.as_str(), rest])?;
                    }
                }
            }
            Ok(())
        };
        self.db.write(end).await
    }

    async fn is_receipt(&self, receipt: &str) -> Result<bool> {
        let receipt = receipt.to_owned();
        let find = move |connection: &Connection| {
            let sql = "SELECT 1 FROM reply WHERE receipt = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([receipt], |_| Ok(())).optional()?.is_some())
        };
        self.db.read(find).await
    }
}

fn standing(connection: &Connection, owner: &Owner, day: Date) -> Result<Standing, Fault> {
    let sql = "SELECT stopped, rest FROM number WHERE owner = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, Option<String>>(1)?));
    let found = connection.prepare_cached(sql)?.query_row([owner.as_str()], read).optional()?;
    let (stopped, rest) = found.unwrap_or_default();
    let sql = "SELECT messages FROM number_day WHERE owner = ?1 AND day = ?2";
    let today = connection.prepare_cached(sql)?.query_row(params![owner.as_str(), day.to_string()], |row| row.get(0));
    let rest = rest.map(|rest| serde_json::from_str(&rest)).transpose()?;
    Ok(Standing { stopped, today: today.optional()?.unwrap_or_default(), rest })
}

fn count(connection: &Connection, owner: &Owner, day: Date) -> Result<(), Fault> {
    let sql = "INSERT INTO number_day (owner, day, messages) VALUES (?1, ?2, 1)
               ON CONFLICT (owner, day) DO UPDATE SET messages = messages + 1";
    connection.prepare_cached(sql)?.execute(params![owner.as_str(), day.to_string()])?;
    Ok(())
}

fn begin(
    connection: &Connection,
    reply: &str,
    owner: &Owner,
    day: Date,
    cap: u32,
    lease: Duration,
) -> Result<Begun, Fault> {
    let sql = "SELECT state, since_ms, until_ms FROM reply WHERE id = ?1";
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i64>(2)?));
    let known = connection.prepare_cached(sql)?.query_row([reply], read).optional()?;
    let now = now_ms();
    if let Some((state, _, until)) = &known {
        if state == "sent" {
            return Ok(Begun::Sent);
        }
        if let Some(left) = u64::try_from(until.saturating_sub(now)).ok().filter(|left| *left > 0) {
            return Ok(Begun::Busy(Duration::from_millis(left)));
        }
    }
    let standing = standing(connection, owner, day)?;
    if standing.stopped {
        return Ok(Begun::Stopped);
    }
    if known.is_none() {
        if standing.today >= cap {
            return Ok(Begun::Capped);
        }
        count(connection, owner, day)?;
    }
    let unclear = known.and_then(|(_, since, _)| since);
    let sql = "INSERT INTO reply (id, state, at_ms, since_ms, until_ms) VALUES (?1, 'sending', ?2, ?2, ?3)
               ON CONFLICT (id) DO UPDATE SET state = 'sending', since_ms = coalesce(since_ms, ?2), until_ms = ?3";
    connection.prepare_cached(sql)?.execute(params![reply, now, now.saturating_add(ms(lease))])?;
    Ok(match unclear.and_then(|since| Timestamp::from_millisecond(since).ok()) {
        Some(since) => Begun::Again(since),
        None => Begun::First,
    })
}

/// Forgets up to `limit` replies, and the days, that are over.
pub(super) fn purge(connection: &Connection, limit: usize) -> Result<usize, Fault> {
    let before = now_ms().saturating_sub(ms(REMEMBERED));
    let sql = "DELETE FROM reply WHERE id IN (SELECT id FROM reply WHERE at_ms < ?1 LIMIT ?2)";
    let replies = connection.prepare_cached(sql)?.execute(params![before, limit])?;
    let day = Timestamp::from_millisecond(before).unwrap_or_default().strftime("%F").to_string();
    connection.prepare_cached("DELETE FROM number_day WHERE day < ?1")?.execute([day])?;
    Ok(replies)
}
