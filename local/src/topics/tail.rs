//! Following topics without being a consumer: nothing is remembered, nothing is acknowledged.

use std::collections::VecDeque;

use common::error::Result;
use tokio::{sync::watch, time::timeout};

use super::{From, Message, POLL, SqliteTopics, following, newest};
use crate::db::{Database, Fault};

const STEP: usize = 100;

/// Gives message after message, in their order, and waits where there is none.
pub struct Tail {
    db: Database,
    news: watch::Receiver<()>,
    topics: String,
    after: i64,
    read: VecDeque<Message>,
}

impl SqliteTopics {
    /// Follows these topics, or all of them where none is named.
    pub async fn tail(&self, topics: &[&str], from: From) -> Result<Tail> {
        let topics = serde_json::to_string(topics).map_err(Fault::from)?;
        let after = match from {
            From::Start => 0,
            From::After(seq) => seq,
            From::End => self.db.read(newest).await?,
        };
        Ok(Tail { db: self.db.clone(), news: self.news.subscribe(), topics, after, read: VecDeque::new() })
    }
}

impl Tail {
    /// The next message. Dropping the future loses none.
    pub async fn next(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.try_next().await? {
                return Ok(message);
            }
            // What another process sends is found when the time is up.
            let _ = timeout(POLL, self.news.changed()).await;
        }
    }

    /// The next message, if it is there already.
    pub async fn try_next(&mut self) -> Result<Option<Message>> {
        if self.read.is_empty() {
            let (topics, after) = (self.topics.clone(), self.after);
            self.news.mark_unchanged();
            let look = move |connection: &_| Ok((newest(connection)?, following(connection, &topics, after, STEP)?));
            let (newest, read) = self.db.read(look).await?;
            // Messages of other topics need not be looked at again.
            self.after = if read.len() < STEP { self.after.max(newest) } else { self.after };
            self.read = read.into();
        }
        let next = self.read.pop_front();
        if let Some(message) = &next {
            self.after = self.after.max(message.seq);
        }
        Ok(next)
    }
}
