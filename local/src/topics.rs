//! Topics on SQLite: an ordered, durable list of messages that named consumers work through and anybody may follow.
//! What a message means is its readers' business; topics that are not in [`common::event::Topic`] are internal ones.

mod consumer;
mod delivery;
mod tail;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    error::{Result, internal},
    event::Event,
    ports::Publish,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::db::{Database, Fault, ms, now_ms};

pub use consumer::{Handle, Retries, Subscription};
pub use delivery::{DeadLetter, Replay};
pub use tail::Tail;

/// How soon a message of another process is noticed; those of this process are noticed at once.
const POLL: Duration = Duration::from_millis(200);
/// Messages forgotten in one transaction, so that others get their turn.
const PURGE_STEP: usize = 500;

/// Implements `Publish`, consumers and followers. Clones share one file.
#[derive(Clone)]
pub struct SqliteTopics {
    db: Database,
    news: watch::Sender<()>,
    attached: Arc<Mutex<HashSet<String>>>,
}

/// Where a new consumer or a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest message that is kept.
    Start,
    /// With the next message.
    End,
    /// Behind the message of this number.
    After(i64),
}

/// A message as a reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number: rises from message to message, over all topics.
    pub seq: i64,
    /// Its topic.
    pub topic: String,
    /// Its identity: the same for every delivery, once per topic.
    pub id: String,
    /// When it was sent.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

impl Message {
    /// The body as the type that was sent; an unreadable one is a fault of this program.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.body).map_err(internal)
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let at = Timestamp::from_millisecond(row.get(3)?).unwrap_or_default();
        Ok(Self { seq: row.get(0)?, topic: row.get(1)?, id: row.get(2)?, at, body: row.get(4)? })
    }
}

impl SqliteTopics {
    pub(crate) fn new(db: Database) -> Self {
        Self { db, news: watch::Sender::default(), attached: Arc::default() }
    }

    /// Sends a message; durable when this returns. An id that the topic has seen changes nothing.
    pub async fn send(&self, topic: &str, id: &str, body: &(impl Serialize + Sync)) -> Result<()> {
        let (topic, id, body) = (topic.to_owned(), id.to_owned(), serde_json::to_string(body).map_err(Fault::from)?);
        self.db.write(move |connection| append(connection, &topic, &id, &body)).await?;
        self.wake();
        Ok(())
    }

    /// Forgets messages sent longer ago than `age` that no consumer is still to get; returns how many.
    pub async fn purge(&self, age: Duration) -> Result<usize> {
        let before = now_ms().saturating_sub(ms(age));
        let mut total = 0_usize;
        loop {
            let count = self.db.write(move |connection| delivery::purge(connection, before, PURGE_STEP)).await?;
            total = total.saturating_add(count);
            if count < PURGE_STEP {
                return Ok(total);
            }
        }
    }

    /// Tells the readers in this process that there is something new.
    pub(crate) fn wake(&self) {
        self.news.send_replace(());
    }
}

#[async_trait]
impl Publish for SqliteTopics {
    async fn publish(&self, events: &[Event]) -> Vec<Result<()>> {
        join_all(events.iter().map(|event| self.send(event.topic().name(), &event.id, event))).await
    }
}

/// Sends a message within a transaction that writes other things as well.
pub(crate) fn append(connection: &Connection, topic: &str, id: &str, body: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO message (topic, id, at_ms, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (topic, id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![topic, id, now_ms(), body])?;
    Ok(())
}

/// The number of the newest message.
fn newest(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT coalesce(max(seq), 0) FROM message";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Messages behind `after`, oldest first; `topics` is a JSON list, empty for all topics.
fn following(connection: &Connection, topics: &str, after: i64, limit: usize) -> Result<Vec<Message>, Fault> {
    let sql = "SELECT seq, topic, id, at_ms, body FROM message
               WHERE seq > ?1 AND (?2 = '[]' OR topic IN (SELECT value FROM json_each(?2))) ORDER BY seq LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![after, topics, limit], Message::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
