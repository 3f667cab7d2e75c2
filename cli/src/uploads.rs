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
    request::{Cloud, Query},
    upload::{DERIVED, INBOX},
};
use local::{DirectoryBucket, Handle, Message, ObjectCreated};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{Instrument, info_span, warn};

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
    if key.starts_with(INBOX) || key.starts_with(DERIVED) {
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
pub(crate) struct Labeller(pub(crate) Pipeline);

#[async_trait]
impl Handle for Labeller {
    async fn handle(&self, message: &Message) -> Result<()> {
        let created: ObjectCreated = message.parse()?;
        let deadline = Instant::now() + PATIENCE;
        let Some(request) = self.0.upload(created.object(), &message.id, deadline).await? else { return Ok(()) };
        let span = info_span!("upload", request.id = message.id);
        self.0.process_queued(&request).instrument(span).await.inspect_err(|error| {
            warn!(%error, cause = error.causes(), "an upload is not labelled yet");
        })
    }
}
