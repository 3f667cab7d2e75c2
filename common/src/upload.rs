//! Uploads: objects that appeared in a configured bucket, one by one or in a batch from a queue.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    error::{Result, internal},
    event::Event,
    pipeline::Pipeline,
    request::{Caller, ImageId, ImageRequest, ImageSource, ObjectRef},
};

/// Where the pipeline keeps the bytes behind a 202: the only prefix that it writes and that is taken in.
pub const INBOX: &str = "inbox/";
/// Where everything else lies that the pipeline makes of a picture.
pub const DERIVED: &str = "derived/";

/// Events that are published together, as SNS has it.
const TOGETHER: usize = 10;
/// How long an event waits for others of its batch.
const LINGER: Duration = Duration::from_secs(1);

/// Where the bytes behind a 202 lie.
pub fn inbox_key(id: &ImageId) -> String {
    format!("{INBOX}{id}")
}

impl Pipeline {
    /// What is to be done about an object; `None` where that is nothing: what the pipeline wrote itself, and promised work
    /// that was erased in the meantime.
    pub async fn upload(&self, object: ObjectRef, request_id: &str, deadline: Instant) -> Result<Option<ImageRequest>> {
        if object.key.starts_with(DERIVED) {
            return Ok(None);
        }
        let accepted = match object.key.strip_prefix(INBOX).map(str::parse::<ImageId>) {
            None => None,
            Some(Err(_)) => return Ok(None),
            Some(Ok(id)) => match self.inbox.accepted(&id).await? {
                Some(accepted) => Some(accepted),
                None => return Ok(None),
            },
        };
        let known = accepted.as_ref();
        Ok(Some(ImageRequest {
            source: ImageSource::Object(object),
            query: known.map(|accepted| accepted.query.clone()).unwrap_or_default(),
            caller: known.map_or_else(|| Caller("upload".to_owned()), |accepted| accepted.caller.clone()),
            idempotency_key: None,
            request_id: known.map_or_else(|| request_id.to_owned(), |accepted| accepted.request_id.clone()),
            traceparent: known.and_then(|accepted| accepted.traceparent.clone()),
            deadline,
            accepted,
        }))
    }

    /// Labels images that nobody waits for, side by side, and publishes their events together; one answer for each, in
    /// their order. A panic fails its own image only.
    pub async fn process_batch(&self, requests: Vec<ImageRequest>) -> Vec<Result<()>> {
        let mut answers: Vec<Result<()>> =
            requests.iter().map(|_| Err(internal("the work on one image of a batch was lost"))).collect();
        let mut work = JoinSet::new();
        for (place, request) in requests.into_iter().enumerate() {
            let pipeline = self.clone();
            work.spawn(tracing::Instrument::in_current_span(async move { (place, pipeline.settle(&request).await) }));
        }
        let (mut waiting, mut since): (Vec<Event>, Instant) = (Vec::new(), Instant::now());
        loop {
            let next = if waiting.is_empty() {
                Ok(work.join_next().await)
            } else {
                timeout_at(since + LINGER, work.join_next()).await
            };
            match next {
                Ok(Some(Ok((place, settled)))) => {
                    let (event, answer) = settled.map_or_else(|error| (None, Err(error)), |event| (event, Ok(())));
                    if let Some(slot) = answers.get_mut(place) {
                        *slot = answer;
                    }
                    if waiting.is_empty() {
                        since = Instant::now();
                    }
                    waiting.extend(event);
                }
                Ok(Some(Err(_panicked))) => {}
                Ok(None) => break,
                Err(_) => self.tell(&std::mem::take(&mut waiting)).await,
            }
            if waiting.len() >= TOGETHER {
                self.tell(&std::mem::take(&mut waiting)).await;
            }
        }
        self.tell(&waiting).await;
        answers
    }
}
