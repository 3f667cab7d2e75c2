//! What the layers know of a request, for the handler.

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::time::Instant;

use crate::{
    error::{Error, internal},
    request::{Caller, ImageRequest, ImageSource, Query},
};

/// What the layers found out before the handler is called.
#[derive(Debug, Clone)]
pub struct Context {
    /// `x-request-id`, the caller's own where it is usable.
    pub request_id: String,
    /// The trace to continue, with a span of our own.
    pub traceparent: String,
    /// Who asks.
    pub caller: Caller,
    /// When the answer is no longer wanted.
    pub deadline: Instant,
}

impl Context {
    /// A request of this caller about this source.
    pub fn about(&self, source: ImageSource, query: Query) -> ImageRequest {
        ImageRequest {
            source,
            query,
            caller: self.caller.clone(),
            idempotency_key: None,
            request_id: self.request_id.clone(),
            traceparent: Some(self.traceparent.clone()),
            deadline: self.deadline,
            accepted: None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or_else(|| internal("a route outside the layers asked for its context"))
    }
}
