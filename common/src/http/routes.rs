//! The whole API on one page.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};

use super::{detect, detector, health, images, layers, openapi};
use crate::{http::Admission, pipeline::Pipeline, ports::Index, sample::Sample};

/// What a front serves.
#[derive(Clone)]
pub struct Front {
    /// The product.
    pub pipeline: Pipeline,
    /// Look-up and erasure; a front without it answers `unsupported`.
    pub index: Option<Arc<dyn Index>>,
    /// The built-in picture for a request without `imageUri`.
    pub sample: Sample,
    /// The most that one request may take.
    pub deadline: Duration,
    /// How many requests work at a time, and how many wait.
    pub admission: Admission,
}

/// The routes that work (admitted one by one, within a deadline) and those that only tell.
pub fn api(front: &Front) -> Router {
    let work = Router::new()
        .route("/detect", get(detect::detect))
        .route("/v1/detect", post(detector::detect))
        .route("/v1/images", post(images::create).get(images::list))
        .route("/v1/images/{id}", get(images::show).delete(images::erase));
    let tell = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(openapi::serve));
    layers::admitted(work, &front.admission, front.deadline).merge(tell).with_state(front.clone())
}
