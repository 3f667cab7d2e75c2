//! The whole API on one page.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};

use super::{detect, detector, health, images, layers, openapi};
use crate::{
    error::{Error, Kind, Result},
    http::Admission,
    look::Look,
    pipeline::Pipeline,
    ports::{Erase, Index},
    sample::Sample,
};

/// What a front serves.
#[derive(Clone)]
pub struct Front {
    /// Opens images and looks at them.
    pub look: Look,
    /// What remembers; a front without it answers at once, and keeps and publishes nothing.
    pub kept: Option<Kept>,
    /// The built-in picture for a request without `imageUri`.
    pub sample: Sample,
    /// The most that one request may take.
    pub deadline: Duration,
    /// How many requests work at a time, and how many wait.
    pub admission: Admission,
}

/// What a front with a ledger has besides.
#[derive(Clone)]
pub struct Kept {
    /// The product.
    pub pipeline: Pipeline,
    /// Erasure.
    pub erase: Arc<dyn Erase>,
    /// Listing; a front without it can only look up by id.
    pub index: Option<Arc<dyn Index>>,
}

impl Front {
    /// The memory of this front; `unsupported` where it has none.
    pub(super) fn kept(&self) -> Result<&Kept> {
        self.kept.as_ref().ok_or_else(|| Error::new(Kind::Unsupported, "this front keeps nothing"))
    }
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
