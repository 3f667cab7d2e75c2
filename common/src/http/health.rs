//! Health for load balancers: no detail to strangers.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Front;
use crate::error::Result;

/// The process answers.
#[utoipa::path(get, path = "/health/live", responses((status = 200, description = "alive")))]
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// What remembers answers too, where there is something.
#[utoipa::path(
    get, path = "/health/ready",
    responses((status = 200, description = "ready"), (status = 503, description = "not now"))
)]
pub(super) async fn ready(State(front): State<Front>) -> Result<Json<Value>> {
    if let Some(kept) = &front.kept {
        kept.pipeline.outbox.unpublished(std::time::Duration::ZERO, 1).await?;
    }
    Ok(Json(json!({ "status": "ready" })))
}
