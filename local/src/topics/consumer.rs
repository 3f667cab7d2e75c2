//! A named consumer: takes messages, a bounded number at a time, hands each to its handler and remembers how it went.
//! At least once: a message that was under way when the process died is delivered again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use common::error::{Error, Kind, Result, internal};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{error, warn};

use super::{
    From, Message, POLL, SqliteTopics,
    delivery::{Settled, attach, look, settle, take},
};
use crate::db::{Database, Fault, ms, now_ms};

/// How long messages under way are waited for at a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// What a consumer does with a message.
///
/// `Ok` ends the delivery. A permanent error makes it a dead letter at once; any other is tried again, not before its
/// `retry_after`. The same message may come more than once.
#[async_trait]
pub trait Handle: Send + Sync + 'static {
    /// Handles one message.
    async fn handle(&self, message: &Message) -> Result<()>;
}

/// How often and when a failed message is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Tries before a message is a dead letter.
    pub tries: u32,
    /// Wait after the first try; it doubles from try to try, and is spread so that neighbours do not come back together.
    pub first: Duration,
    /// Longest wait.
    pub most: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 5, first: Duration::from_secs(1), most: Duration::from_secs(300) }
    }
}

impl Retries {
    fn wait(self, tries: u32) -> Duration {
        let builder = ExponentialBuilder::default().with_min_delay(self.first).with_max_delay(self.most).with_jitter();
        let nth = usize::try_from(tries).unwrap_or(usize::MAX).saturating_sub(1);
        builder.without_max_times().build().nth(nth).unwrap_or(self.most)
    }

    fn judge(self, tried: u32, result: Result<()>) -> Settled {
        let Err(error) = result else { return Settled::Done };
        let (tries, text) = (tried.saturating_add(1), error.to_string());
        if error.is_permanent() || tries >= self.tries {
            return Settled::Dead { tries, error: text };
        }
        let wait = self.wait(tries).max(error.retry_after().unwrap_or_default());
        Settled::Again { at_ms: now_ms().saturating_add(ms(wait)), tries, error: text }
    }
}

/// A consumer at work. It also ends when this is dropped, without being waited for.
#[must_use = "the consumer stops when this is dropped"]
pub struct Subscription {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Subscription {
    /// Takes no more messages and waits for those under way, up to ten seconds; what is not done by then is delivered again
    /// when the consumer is attached the next time.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            error!(%error, "a consumer ended badly");
        }
    }
}

impl SqliteTopics {
    /// Attaches the consumer `name` to these topics. A name that is new begins at `from`, a known one where it was. One name
    /// is attached once at a time.
    pub async fn subscribe(
        &self,
        name: &str,
        topics: &[&str],
        from: From,
        concurrency: usize,
        retries: Retries,
        handler: Arc<dyn Handle>,
    ) -> Result<Subscription> {
        let held = Held::new(self, name)?;
        let (key, topics) = (name.to_owned(), serde_json::to_string(topics).map_err(Fault::from)?);
        let wanted = topics.clone();
        self.db.write(move |connection| attach(connection, &key, &wanted, from)).await?;
        let (stop, stopped) = watch::channel(false);
        let consumer = Consumer {
            name: Arc::from(name),
            topics: topics.into(),
            concurrency: concurrency.max(1),
            retries,
            handler,
            db: self.db.clone(),
            stopped,
        };
        let news = self.news.subscribe();
        let task = tokio::spawn(async move {
            consumer.run(news).await;
            drop(held);
        });
        Ok(Subscription { stop, task })
    }
}

/// Keeps a second consumer of the same name out of this process.
struct Held(SqliteTopics, String);

impl Held {
    fn new(topics: &SqliteTopics, name: &str) -> Result<Self> {
        let mut attached = topics.attached.lock().map_err(|_| internal("a poisoned lock"))?;
        if !attached.insert(name.to_owned()) {
            return Err(Error::new(Kind::InvalidRequest, "a consumer of this name is attached already"));
        }
        Ok(Self(topics.clone(), name.to_owned()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut attached) = self.0.attached.lock() {
            attached.remove(&self.1);
        }
    }
}

struct Consumer {
    name: Arc<str>,
    topics: Arc<str>,
    concurrency: usize,
    retries: Retries,
    handler: Arc<dyn Handle>,
    db: Database,
    stopped: watch::Receiver<bool>,
}

impl Consumer {
    async fn run(mut self, mut news: watch::Receiver<()>) {
        let (mut under_way, mut scanned) = (JoinSet::new(), None);
        while !self.is_stopped() {
            news.mark_unchanged();
            let free = self.concurrency.saturating_sub(under_way.len());
            match self.take(free, &mut scanned).await {
                Ok(taken) => {
                    for (message, tried) in taken {
                        under_way.spawn(self.deliver(message, tried));
                    }
                }
                Err(error) => {
                    warn!(consumer = %self.name, %error, cause = error.causes(), "cannot take messages");
                    sleep(Duration::from_secs(1)).await;
                }
            }
            let full = under_way.len() >= self.concurrency;
            tokio::select! {
                // Deliveries end in groups, since their ends are written in one transaction: so their successors are taken.
                Some(_) = under_way.join_next() => while under_way.try_join_next().is_some() {},
                _ = timeout(POLL, news.changed()), if !full => {}
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
            }
        }
        // Dropping the set gives up what is left.
        let _ = timeout(DRAIN, async { while under_way.join_next().await.is_some() {} }).await;
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    async fn take(&self, free: usize, scanned: &mut Option<(i64, i64)>) -> Result<Vec<(Message, u32)>> {
        if free == 0 {
            return Ok(Vec::new());
        }
        let (name, topics, known) = (self.name.clone(), self.topics.clone(), *scanned);
        let (any, seen) = self.db.read(move |connection| look(connection, &name, &topics, known)).await?;
        *scanned = Some(seen);
        if !any {
            return Ok(Vec::new());
        }
        let (name, topics) = (self.name.clone(), self.topics.clone());
        self.db.write(move |connection| take(connection, &name, &topics, free)).await
    }

    /// Handles one message and writes down how it went.
    fn deliver(&self, message: Message, tried: u32) -> impl Future<Output = ()> + Send + 'static {
        let (name, retries, handler) = (self.name.clone(), self.retries, self.handler.clone());
        let (db, stopped) = (self.db.clone(), self.stopped.clone());
        async move {
            let (seq, id) = (message.seq, message.id.clone());
            // On a task of its own, so that a panic is this message's failure and nothing else's.
            let result = tokio::spawn(async move { handler.handle(&message).await }).await;
            let settled = retries.judge(tried, result.unwrap_or_else(|panic| Err(internal(panic))));
            if let Settled::Dead { tries, error } = &settled {
                error!(consumer = %name, message.id = %id, tries, error, "given up, a dead letter now");
            }
            let settled = Arc::new(settled);
            loop {
                let (key, settled) = (name.clone(), settled.clone());
                let Err(error) = db.write(move |connection| settle(connection, &key, seq, &settled)).await else {
                    return;
                };
                warn!(consumer = %name, message.id = %id, %error, cause = error.causes(), "cannot write down a delivery");
                if *stopped.borrow() || stopped.has_changed().is_err() {
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

#[cfg(test)]
impl Retries {
    pub(super) fn judge_for_test(self, tried: u32, error: Error) -> i64 {
        match self.judge(tried, Err(error)) {
            Settled::Again { at_ms, .. } => at_ms,
            _ => 0,
        }
    }
}
