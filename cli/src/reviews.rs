//! The review list over HTTP, for the page of `up`: what waits, a blurred preview of each, and a person's decision.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use common::{
    derived::preview_key,
    error::{Error, Kind, Result},
    moderation::{AuditLine, Moderation, ReviewItem, Verdict},
    ports::{Dossiers, Fetch, Reviews},
    request::{ImageId, ImageSource},
};
use local::Local;
use serde::{Deserialize, Serialize};

use crate::review::reviewing;

/// Images on the list that is shown.
const LIST: usize = 100;
const LOG: usize = 50;

/// `GET /v1/reviews`, `GET /v1/reviews/{id}`, its `preview`, and `POST /v1/reviews/{id}`.
pub(crate) fn routes(local: Local) -> Router {
    Router::new()
        .route("/v1/reviews", get(list))
        .route("/v1/reviews/{id}", get(show).post(decide))
        .route("/v1/reviews/{id}/preview", get(preview))
        .with_state(local)
}

#[derive(Serialize)]
struct Waiting {
    waiting: Vec<ReviewItem>,
}

async fn list(State(local): State<Local>) -> Result<Json<Waiting>> {
    Ok(Json(Waiting { waiting: local.ledger.waiting(LIST).await? }))
}

#[derive(Serialize)]
struct Shown {
    moderation: Moderation,
    audit: Vec<AuditLine>,
}

async fn show(State(local): State<Local>, Path(id): Path<String>) -> Result<Json<Shown>> {
    let id: ImageId = id.parse()?;
    let moderation = local.ledger.dossier(&id).await?.moderation.ok_or_else(unknown)?;
    Ok(Json(Shown { moderation, audit: local.ledger.audit(&id, LOG).await? }))
}

/// The picture, blurred. Never the original.
async fn preview(State(local): State<Local>, Path(id): Path<String>) -> Result<Response> {
    let id: ImageId = id.parse()?;
    let object = local::object(&preview_key(&id), String::new());
    let bytes = local.bucket.fetch(&ImageSource::Object(object)).await?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    verdict: Verdict,
    reviewer: String,
    reason: String,
}

async fn decide(State(local): State<Local>, Path(id): Path<String>, body: String) -> Result<Json<Moderation>> {
    let id: ImageId = id.parse()?;
    let decision: Decision = serde_json::from_str(&body)
        .map_err(|cause| Error::new(Kind::InvalidRequest, format!("the JSON body is not valid: {cause}")))?;
    if !matches!(decision.verdict, Verdict::Allow | Verdict::Reject) {
        return Err(Error::new(Kind::InvalidRequest, "a person's verdict is allow or reject"));
    }
    Ok(Json(reviewing(&local).decide(&id, decision.verdict, &decision.reviewer, &decision.reason).await?))
}

fn unknown() -> Error {
    Error::new(Kind::NotFound, "moderation knows nothing of this image")
}
