//! What lies behind a consumer's position and is not done: under way, waiting for its next try, or dead.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use common::error::{Error, Kind, Result};

use super::{From, Message, SqliteTopics, following, newest};
use crate::db::{Fault, now_ms};

/// How often a message may be under way when the process dies before it is taken for the cause.
const MAX_CRASHES: u32 = 20;

/// A message that a consumer gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Who gave it up.
    pub consumer: String,
    /// The message's number.
    pub seq: i64,
    /// The message's topic.
    pub topic: String,
    /// The message's identity.
    pub id: String,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try failed.
    pub error: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// What is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// What was given up.
    Dead,
    /// Everything from the message of this number on.
    From(i64),
}

impl SqliteTopics {
    /// The newest dead letters of a consumer, or of all of them.
    pub async fn dead(&self, consumer: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
        let consumer = consumer.map(str::to_owned);
        let find = move |connection: &Connection| {
            let sql = "SELECT d.consumer, d.seq, m.topic, m.id, d.tries, d.error, d.next_ms
                       FROM delivery d JOIN message m ON m.seq = d.seq
                       WHERE d.state = 'dead' AND (?1 IS NULL OR d.consumer = ?1) ORDER BY d.next_ms DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![consumer, limit], |row| {
                let at = Timestamp::from_millisecond(row.get(6)?).unwrap_or_default();
                let error = row.get::<_, Option<String>>(5)?.unwrap_or_default();
                let (consumer, seq, topic) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(DeadLetter { consumer, seq, topic, id: row.get(3)?, tries: row.get(4)?, error, at })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.db.read(find).await
    }

    /// Names of the consumers that were ever attached.
    pub async fn consumers(&self) -> Result<Vec<String>> {
        let find = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT name FROM consumer ORDER BY name")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        self.db.read(find).await
    }

    /// Has messages delivered again, to one consumer; returns how many at the most. Another process that runs the consumer
    /// notices by itself. A name that was never attached is `not-found`.
    pub async fn replay(&self, consumer: &str, what: Replay) -> Result<usize> {
        let name = consumer.to_owned();
        let replay = move |connection: &Connection| {
            position(connection, &name)?.ok_or_else(|| Error::new(Kind::NotFound, "no consumer of this name"))?;
            revive(connection, &name, what)
        };
        let count = self.db.write(replay).await?;
        self.wake();
        Ok(count)
    }
}

fn revive(connection: &Connection, name: &str, what: Replay) -> Result<usize, Fault> {
    match what {
        Replay::Dead => {
            let sql = "UPDATE delivery SET state = 'waiting', next_ms = ?2, tries = 0, crashes = 0
                       WHERE consumer = ?1 AND state = 'dead'";
            Ok(connection.prepare_cached(sql)?.execute(params![name, now_ms()])?)
        }
        Replay::From(seq) => {
            // What is under way is not taken twice.
            let sql = "DELETE FROM delivery WHERE consumer = ?1 AND seq >= ?2 AND state <> 'flight'";
            connection.prepare_cached(sql)?.execute(params![name, seq])?;
            let sql = "UPDATE consumer SET position = min(position, ?2 - 1) WHERE name = ?1";
            connection.prepare_cached(sql)?.execute(params![name, seq])?;
            let sql = "SELECT count(*) FROM message WHERE seq >= ?1";
            Ok(connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?)
        }
    }
}

pub(super) fn position(connection: &Connection, name: &str) -> Result<Option<i64>, Fault> {
    let sql = "SELECT position FROM consumer WHERE name = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?)
}

/// Makes the consumer known, and what was under way when its process died due at once.
pub(super) fn attach(connection: &Connection, name: &str, topics: &str, from: From) -> Result<(), Fault> {
    let first = match from {
        From::Start => 0,
        From::After(seq) => seq,
        From::End => newest(connection)?,
    };
    let sql = "INSERT INTO consumer (name, position, topics) VALUES (?1, ?2, ?3)
               ON CONFLICT (name) DO UPDATE SET topics = excluded.topics";
    connection.execute(sql, params![name, first, topics])?;
    let sql = "UPDATE delivery SET crashes = crashes + 1, next_ms = ?2,
                      state = iif(crashes + 1 < ?3, 'waiting', 'dead'),
                      error = iif(crashes + 1 < ?3, error, 'the process died again and again while it was handled')
               WHERE consumer = ?1 AND state = 'flight'";
    connection.execute(sql, params![name, now_ms(), MAX_CRASHES])?;
    Ok(())
}

/// Whether there may be something to take behind `scanned`, and up to where there is nothing.
pub(super) fn look(
    connection: &Connection,
    name: &str,
    topics: &str,
    scanned: Option<(i64, i64)>,
) -> Result<(bool, (i64, i64)), Fault> {
    let position = position(connection, name)?.unwrap_or(0);
    // A replay moves the position; what was learnt before it no longer counts.
    let after = scanned.filter(|(at, _)| *at == position).map_or(position, |(_, after)| after);
    let newest = newest(connection)?;
    let sql = "SELECT 1 FROM delivery WHERE consumer = ?1 AND state = 'waiting' AND next_ms <= ?2 LIMIT 1";
    let due = connection.prepare_cached(sql)?.query_row(params![name, now_ms()], |_| Ok(())).optional()?.is_some();
    let new = newest > after && !following(connection, topics, after, 1)?.is_empty();
    Ok((due || new, (position, if new { after } else { newest.max(after) })))
}

/// Takes up to `limit` messages: those whose next try is due, then new ones. Each comes with its tries so far.
pub(super) fn take(
    connection: &Connection,
    name: &str,
    topics: &str,
    limit: usize,
) -> Result<Vec<(Message, u32)>, Fault> {
    let sql = "SELECT m.seq, m.topic, m.id, m.at_ms, m.body, d.tries FROM delivery d JOIN message m ON m.seq = d.seq
               WHERE d.consumer = ?1 AND d.state = 'waiting' AND d.next_ms <= ?2 ORDER BY d.next_ms LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![name, now_ms(), limit], |row| Ok((Message::read(row)?, row.get(5)?)))?;
    let mut taken: Vec<(Message, u32)> = rows.collect::<Result<_, _>>()?;
    for (message, _) in &taken {
        let sql = "UPDATE delivery SET state = 'flight' WHERE consumer = ?1 AND seq = ?2";
        connection.prepare_cached(sql)?.execute(params![name, message.seq])?;
    }
    let position = position(connection, name)?.unwrap_or(0);
    for message in following(connection, topics, position, limit.saturating_sub(taken.len()))? {
        let sql = "UPDATE consumer SET position = ?2 WHERE name = ?1";
        connection.prepare_cached(sql)?.execute(params![name, message.seq])?;
        let sql = "INSERT INTO delivery (consumer, seq, state, next_ms) VALUES (?1, ?2, 'flight', ?3)
                   ON CONFLICT (consumer, seq) DO NOTHING";
        if connection.prepare_cached(sql)?.execute(params![name, message.seq, now_ms()])? > 0 {
            taken.push((message, 0));
        }
    }
    Ok(taken)
}

/// How a delivery ended.
pub(super) enum Settled {
    Done,
    Again { at_ms: i64, tries: u32, error: String },
    Dead { tries: u32, error: String },
}

pub(super) fn settle(connection: &Connection, name: &str, seq: i64, settled: &Settled) -> Result<(), Fault> {
    let (state, next_ms, tries, error) = match settled {
        Settled::Done => {
            let sql = "DELETE FROM delivery WHERE consumer = ?1 AND seq = ?2";
            connection.prepare_cached(sql)?.execute(params![name, seq])?;
            return Ok(());
        }
        Settled::Again { at_ms, tries, error } => ("waiting", *at_ms, tries, error),
        Settled::Dead { tries, error } => ("dead", now_ms(), tries, error),
    };
    let sql = "UPDATE delivery SET state = ?3, next_ms = ?4, tries = ?5, error = ?6 WHERE consumer = ?1 AND seq = ?2";
    connection.prepare_cached(sql)?.execute(params![name, seq, state, next_ms, tries, error])?;
    Ok(())
}

/// Forgets up to `limit` old messages, with their dead letters, that every consumer is past or does not want.
pub(super) fn purge(connection: &Connection, before_ms: i64, limit: usize) -> Result<usize, Fault> {
    let sql = "SELECT seq FROM message m WHERE at_ms < ?1
               AND NOT EXISTS (SELECT 1 FROM consumer c WHERE c.position < m.seq
                               AND (c.topics = '[]' OR m.topic IN (SELECT value FROM json_each(c.topics))))
               AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = m.seq AND d.state <> 'dead') LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![before_ms, limit], |row| row.get::<_, i64>(0))?;
    let old = rows.collect::<Result<Vec<_>, _>>()?;
    for seq in &old {
        connection.prepare_cached("DELETE FROM delivery WHERE seq = ?1")?.execute([seq])?;
        connection.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?;
    }
    Ok(old.len())
}
