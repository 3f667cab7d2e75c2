//! The Vision-compatible face.

use axum::Router;
use common::http::Front;

/// `POST /v1/images:annotate`.
pub fn routes(_front: &Front) -> Router {
    Router::new()
}
