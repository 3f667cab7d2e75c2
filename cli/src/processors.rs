//! The processors of `up`: which there are, and how each is fed from the topics of this machine.

use std::sync::Arc;

use async_trait::async_trait;
use common::{error::Result, event::Event};
use local::{From, Handle, Message, Retries, SqliteTopics, Subscription};
use processors::{Processor, Worker, WriteBack};

use crate::compose::Composed;

/// Events that one processor works on at a time.
const AT_A_TIME: usize = 16;

/// Those that every machine has.
pub(crate) fn built_in(composed: &Composed) -> Vec<Arc<dyn Processor>> {
    let (ledger, bucket) = (Arc::new(composed.local.ledger.clone()), Arc::new(composed.local.bucket.clone()));
    vec![Arc::new(WriteBack {
        archive: ledger.clone(),
        dossiers: ledger,
        fetch: bucket.clone(),
        store: bucket.clone(),
        originals: bucket,
    })]
}

/// Feeds each with the events of its topics: one that is new on this machine begins at `from`.
pub(crate) async fn attach(
    composed: &Composed,
    processors: Vec<Arc<dyn Processor>>,
    from: From,
    retries: Retries,
) -> Result<Vec<Subscription>> {
    let topics: &SqliteTopics = &composed.local.topics;
    let ledger = Arc::new(composed.local.ledger.clone());
    let mut attached = Vec::new();
    for processor in processors {
        let name = processor.name().to_owned();
        let consumed: Vec<&str> = processor.consumes().iter().map(|topic| topic.name()).collect();
        let feed = Feed(Worker {
            processor: processor.clone(),
            journal: ledger.clone(),
            outbox: ledger.clone(),
            publish: Arc::new(topics.clone()),
        });
        attached.push(topics.subscribe(&name, &consumed, from, AT_A_TIME, retries, Arc::new(feed)).await?);
    }
    Ok(attached)
}

struct Feed(Worker);

#[async_trait]
impl Handle for Feed {
    async fn handle(&self, message: &Message) -> Result<()> {
        let event: Event = message.parse()?;
        self.0.handle(&event).await
    }
}
