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

/// The ledger answers too.
#[utoipa::path(
    get, path = "/health/ready",
    responses((status = 200, description = "ready"), (status = 503, description = "not now"))
)]
pub(super) async fn ready(State(front): State<Front>) -> Result<Json<Value>> {
    front.pipeline.outbox.unpublished(std::time::Duration::ZERO, 1).await?;
    Ok(Json(json!({ "status": "ready" })))
}
