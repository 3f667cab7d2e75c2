//! Uploads to the directory bucket: by `PUT`, or as a file that appears in it. Both become a message on the topic
//! `object_created`, as with S3, and a named consumer labels what the message names.

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    routing::put,
};
use common::{
    error::{Error, Kind, Result},
    pipeline::Pipeline,
    ports::Store,
    request::{Accepted, Caller, Cloud, ImageId, ImageRequest, ImageSource, Query},
};
use local::{DirectoryBucket, Handle, Message, ObjectCreated};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{Instrument, info_span, warn};

/// Where the pipeline keeps the bytes behind a 202.
const INBOX: &str = "inbox/";
/// The most that one upload may take once it is its turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// `PUT /uploads/{key}`, up to this many bytes.
pub(crate) fn routes(bucket: DirectoryBucket, max_bytes: usize) -> Router {
    Router::new().route("/uploads/{*key}", put(upload)).layer(DefaultBodyLimit::max(max_bytes)).with_state(bucket)
}

/// Stores the picture; the labelling follows as after any upload, under the id in the answer.
async fn upload(
    State(bucket): State<DirectoryBucket>,
    Path(key): Path<String>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<Value>)> {
    let body = body.map_err(|cause| match cause.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Kind::TooLarge, "the upload is larger than is allowed"),
        _ => Error::new(Kind::InvalidRequest, "the body ended early").because(cause),
    })?;
    if key.starts_with(INBOX) || key.starts_with(local::DERIVED) {
        return Err(Error::new(Kind::Forbidden, "keys under this prefix are written by the pipeline only"));
    }
    if body.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the upload is empty; send the picture itself as the body"));
    }
    let (size, etag) = (body.len(), local::etag(&body));
    bucket.put(&key, body).await?;
    let object = local::object(&key, etag);
    let id = object.id(Cloud::Local, &Query::default());
    let location = format!("/v1/images/{id}");
    let answer = json!({ "key": object.key, "etag": object.etag, "size": size, "id": id, "location": location });
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(answer)))
}

/// Labels what a message names.
pub(crate) struct Labeller {
    pub(crate) pipeline: Pipeline,
    pub(crate) bucket: DirectoryBucket,
}

#[async_trait]
impl Handle for Labeller {
    async fn handle(&self, message: &Message) -> Result<()> {
        let created: ObjectCreated = message.parse()?;
        let inbox = created.key.strip_prefix(INBOX).and_then(|id| id.parse::<ImageId>().ok());
        let accepted = match &inbox {
            Some(id) => self.pipeline.inbox.accepted(id).await?,
            None => None,
        };
        if created.key.starts_with(INBOX) && accepted.is_none() {
            // Erased in the meantime, or not put there by us.
            return Ok(());
        }
        let request = request(ImageSource::Object(created.object()), accepted, &message.id);
        let span = info_span!("upload", request.id = message.id);
        match self.pipeline.process_queued(&request).instrument(span).await {
            Err(error) => {
                warn!(%error, cause = error.causes(), "an upload is not labelled yet");
                Err(error)
            }
            Ok(()) if inbox.is_some() => self.bucket.remove(&created.key).await,
            Ok(()) => Ok(()),
        }
    }
}

fn request(source: ImageSource, accepted: Option<Accepted>, request_id: &str) -> ImageRequest {
    ImageRequest {
        source,
        query: accepted.as_ref().map(|accepted| accepted.query.clone()).unwrap_or_default(),
        caller: accepted.as_ref().map_or_else(|| Caller("upload".to_owned()), |accepted| accepted.caller.clone()),
        idempotency_key: None,
        request_id: accepted.as_ref().map_or_else(|| request_id.to_owned(), |accepted| accepted.request_id.clone()),
        traceparent: accepted.as_ref().and_then(|accepted| accepted.traceparent.clone()),
        deadline: Instant::now() + PATIENCE,
        accepted,
    }
}
