//! Notices about objects: what appeared is labelled, what is gone is erased where that is wanted, and each message of a
//! queue fails by itself.

use std::{collections::BTreeMap, sync::Arc};

use common::{
    error::{Error, Kind, Result},
    pipeline::Pipeline,
    request::{Cloud, ImageRequest, ObjectRef, Query},
    upload::{DERIVED, INBOX},
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{incoming::Message, notice::Notice};
use crate::{
    dynamodb::DynamoLedger,
    sequencer::Sequencer,
    sqs::{Delays, Failed},
};

/// Takes objects of the configured buckets in.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Uploads {
    pub pipeline: Pipeline,
    /// Buckets whose objects count.
    pub buckets: Arc<[String]>,
    /// Set where deleting an object erases its analysis: who knows which analyses that are.
    pub erase: Option<DynamoLedger>,
    /// How long what failed stays away.
    pub delays: Delays,
}

/// What a batch came to, for the log.
#[derive(Debug, Default)]
struct Counts {
    labelled: usize,
    erased: usize,
    failed: usize,
    ignored: BTreeMap<&'static str, usize>,
}

impl Uploads {
    /// Messages of a queue; returns the ids of those that are to come back.
    pub(super) async fn queue(&self, messages: Vec<Message>, deadline: Instant) -> Vec<String> {
        if messages.is_empty() {
            return Vec::new();
        }
        let (mut origins, mut notices) = (Vec::new(), Vec::new());
        let mut failures: Vec<Option<Error>> = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            failures.push(message.notices.as_ref().err().cloned());
            for notice in message.notices.iter().flatten() {
                origins.push(place);
                notices.push((message.delivery.id.clone(), notice.clone()));
            }
        }
        for (place, answer) in origins.into_iter().zip(self.take(notices, deadline).await) {
            if let (Err(error), Some(slot)) = (answer, failures.get_mut(place)) {
                *slot = Some(error);
            }
        }
        let failed: Vec<Failed<'_>> = messages
            .iter()
            .zip(&failures)
            .filter_map(|(message, failure)| {
                let (delivery, error) = (&message.delivery, failure.as_ref()?);
                let (id, cause) = (&delivery.id, error.causes());
                warn!(message.id = id, message.receives = delivery.receives, %error, cause, "an upload is not labelled yet");
                Some(Failed { delivery, retry_after: error.retry_after() })
            })
            .collect();
        self.delays.delay(&failed).await;
        failed.into_iter().map(|failed| failed.delivery.id.clone()).collect()
    }

    /// Notices without a queue: the first failure is everybody's, and all come back; the ledger knows what was done.
    pub(super) async fn directly(&self, notices: Vec<Notice>, request_id: &str, deadline: Instant) -> Result<()> {
        let notices = notices.into_iter().map(|notice| (request_id.to_owned(), notice)).collect();
        self.take(notices, deadline).await.into_iter().collect()
    }

    /// One answer for each notice, in their order; each comes with the name of the request that brought it.
    async fn take(&self, notices: Vec<(String, Notice)>, deadline: Instant) -> Vec<Result<()>> {
        let mut counts = Counts::default();
        let mut answers: Vec<Result<()>> = Vec::new();
        let (mut places, mut requests) = (Vec::new(), Vec::new());
        let mut created: Vec<(ObjectRef, Option<Sequencer>)> = Vec::new();
        for (place, (request_id, notice)) in notices.into_iter().enumerate() {
            let answer = match notice {
                Notice::Ignored(why) => {
                    count(&mut counts.ignored, why);
                    Ok(())
                }
                Notice::Created(object, when) => match self.request(object.clone(), &request_id, deadline).await {
                    Ok(Some(request)) => {
                        places.push(place);
                        created.push((object, when));
                        requests.push(request);
                        Ok(())
                    }
                    Ok(None) => {
                        count(&mut counts.ignored, "own-object");
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Notice::Removed { bucket, key, version, sequencer } => {
                    match self.removed(&bucket, &key, version, sequencer.as_ref()).await {
                        Ok(0) => {
                            count(&mut counts.ignored, "delete");
                            Ok(())
                        }
                        Ok(erased) => {
                            counts.erased += erased;
                            Ok(())
                        }
                        Err(error) => Err(error),
                    }
                }
            };
            answers.push(answer);
        }
        let labelled = self.pipeline.process_batch(requests).await;
        for ((place, (object, when)), answer) in places.into_iter().zip(created).zip(labelled) {
            let answer = match answer {
                Ok(()) => self.created(&object, when.as_ref()).await,
                failed => failed,
            };
            counts.labelled += usize::from(answer.is_ok());
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        }
        counts.failed = answers.iter().filter(|answer| answer.is_err()).count();
        let Counts { labelled, erased, failed, ignored } = counts;
        info!(labelled, erased, failed, ?ignored, "uploads taken in");
        answers
    }

    async fn request(&self, object: ObjectRef, request_id: &str, deadline: Instant) -> Result<Option<ImageRequest>> {
        self.ours(&object.bucket)?;
        self.pipeline.upload(object, request_id, deadline).await
    }

    /// Remembers when an object appeared, where its end is to erase it.
    async fn created(&self, object: &ObjectRef, when: Option<&Sequencer>) -> Result<()> {
        let (Some(ledger), Some(when)) = (self.erases(&object.key), when) else { return Ok(()) };
        ledger.created(object, &object.id(Cloud::Aws, &Query::default()), when).await
    }

    /// Erases what is known about an object that is gone; how many analyses that were. A delete may be told after the upload
    /// that followed it: what is known to be newer stays.
    async fn removed(
        &self,
        bucket: &str,
        key: &str,
        version: Option<String>,
        when: Option<&Sequencer>,
    ) -> Result<usize> {
        self.ours(bucket)?;
        let Some(ledger) = self.erases(key) else { return Ok(0) };
        let ids = match version {
            None => ledger.objects(bucket, key, when).await?,
            Some(version) => {
                let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), Some(version));
                let object = ObjectRef { bucket, key, version, etag: String::new() };
                vec![object.id(Cloud::Aws, &Query::default())]
            }
        };
        let mut erased = 0;
        for id in &ids {
            erased += usize::from(self.pipeline.forget(ledger, id).await?);
        }
        Ok(erased)
    }

    /// Who knows what the end of this object erases; `None` where that is nothing.
    fn erases(&self, key: &str) -> Option<&DynamoLedger> {
        self.erase.as_ref().filter(|_| !key.starts_with(INBOX) && !key.starts_with(DERIVED))
    }

    /// An event can name any bucket. What is not configured is refused rather than passed over, so that a forgotten setting
    /// loses nothing: it ends among the dead letters and can be brought back from there.
    fn ours(&self, bucket: &str) -> Result<()> {
        if self.buckets.iter().any(|known| known == bucket) {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "an event about a bucket that is not configured; add it to CROSSLENS_BUCKETS"))
    }
}

fn count(ignored: &mut BTreeMap<&'static str, usize>, why: &'static str) {
    *ignored.entry(why).or_default() += 1;
}
