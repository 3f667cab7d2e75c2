//! The processors of `up`: which there are, and how each is fed from the topics of this machine.

use std::sync::Arc;

use async_trait::async_trait;
use common::{error::Result, event::Event};
use local::{From, Handle, Message, Retries, Subscription};
use processors::{Processor, Worker, WriteBack};

use crate::compose::Composed;

/// Events that one processor works on at a time.
const AT_A_TIME: usize = 16;
/// Events that one webhook is told at a time.
const TOLD_AT_A_TIME: usize = 4;

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

/// Feeds each with all events of its topics, and remembers what it has settled.
pub(crate) async fn attach(
    composed: &Composed,
    processors: Vec<Arc<dyn Processor>>,
    retries: Retries,
) -> Result<Vec<Subscription>> {
    let ledger = Arc::new(composed.local.ledger.clone());
    let mut attached = Vec::new();
    for processor in processors {
        let worker = Worker {
            processor: processor.clone(),
            journal: ledger.clone(),
            outbox: ledger.clone(),
            publish: Arc::new(composed.local.topics.clone()),
        };
        attached.push(subscribe(composed, &*processor, AT_A_TIME, retries, Arc::new(Feed(worker))).await?);
    }
    Ok(attached)
}

/// Feeds those that tell somebody else. The topics remember what was told; nothing else does, so that a replay tells again.
pub(crate) async fn tell(
    composed: &Composed,
    processors: Vec<Arc<dyn Processor>>,
    retries: Retries,
) -> Result<Vec<Subscription>> {
    let mut attached = Vec::new();
    for processor in processors {
        let handler = Arc::new(Tell(processor.clone()));
        attached.push(subscribe(composed, &*processor, TOLD_AT_A_TIME, retries, handler).await?);
    }
    Ok(attached)
}

async fn subscribe(
    composed: &Composed,
    processor: &dyn Processor,
    at_a_time: usize,
    retries: Retries,
    handler: Arc<dyn Handle>,
) -> Result<Subscription> {
    let topics: Vec<&str> = processor.consumes().iter().map(|topic| topic.name()).collect();
    composed.local.topics.subscribe(processor.name(), &topics, From::Start, at_a_time, retries, handler).await
}

struct Feed(Worker);

#[async_trait]
impl Handle for Feed {
    async fn handle(&self, message: &Message) -> Result<()> {
        let event: Event = message.parse()?;
        self.0.handle(&event).await
    }
}

struct Tell(Arc<dyn Processor>);

#[async_trait]
impl Handle for Tell {
    async fn handle(&self, message: &Message) -> Result<()> {
        let event: Event = message.parse()?;
        self.0.process(&event).await.map(drop)
    }
}
