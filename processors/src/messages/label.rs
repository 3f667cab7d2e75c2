//! What is on a picture, for whoever asks by message: the same pipeline as for every other picture, and its answer as a text.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    event::{Event, Payload, Topic},
    message::{Operation, Reply, Request},
    pipeline::Pipeline,
    ports::Settlement,
    request::{Caller, ImageRequest, ImageSource, Query},
    source::SourceUrl,
};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::Processor;

/// The most that one picture may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long what may pass is tried again before the person is told that it did not.
const ENDURANCE: Duration = Duration::from_secs(10);

/// Answers what is on a picture.
pub struct Labels {
    pipeline: Pipeline,
}

impl Labels {
    /// Answers by this pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        Self { pipeline }
    }

    async fn answer(&self, event: &Event, request: &Request) -> Result<String> {
        let url =
            request.image_url.as_deref().ok_or_else(|| Error::new(Kind::InvalidRequest, "there is no picture"))?;
        let asked = ImageRequest {
            source: ImageSource::Url(SourceUrl::parse(url)?),
            query: Query::default(),
            caller: Caller(format!("number-{}", request.from_number.owner())),
            // The message's own identity: every delivery is the same request, and publishes once.
            idempotency_key: Some(event.subject.to_string()),
            request_id: event.subject.to_string(),
            traceparent: event.traceparent.clone(),
            deadline: Instant::now() + PATIENCE,
            accepted: None,
        };
        Ok(self.pipeline.process(&asked).await?.message())
    }
}

#[async_trait]
impl Processor for Labels {
    fn name(&self) -> &str {
        "label-messages"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::LabelRequest]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        let Payload::Requested(request) = &event.data else { return Ok(Settlement::default()) };
        if request.operation != Operation::Label {
            return Ok(Settlement::default());
        }
        let text = match self.answer(event, request).await {
            Ok(text) => text,
            // There is always an answer: what will not get better is said at once, the rest after a while.
            Err(error) if error.is_permanent() => format!("The picture cannot be labelled: {}", error.message()),
            Err(error) if event.time.duration_until(Timestamp::now()).unsigned_abs() < ENDURANCE => return Err(error),
            Err(_) => "The picture cannot be labelled now. Please send it again later.".to_owned(),
        };
        let answer = Reply::to(self.pipeline.look.cloud, event, text, None)?;
        Ok(Settlement { events: vec![answer], ..Settlement::default() })
    }
}
