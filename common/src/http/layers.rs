//! What wraps a handler: one ordered list. To add a layer, put it where its sentence is true.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tokio::time::{Instant, timeout_at};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

use super::{Admission, Callers, Context, Guard, admission, caller, guard, observe};
use crate::{
    detectors::DEADLINE_HEADER,
    error::{Error, Kind, internal},
    request::Cloud,
};

/// Wraps every route of a front. The last layer named is the outermost: a request passes them from the bottom up.
pub fn wrap(routes: Router, cloud: Cloud, guard: Guard, callers: Callers) -> Router {
    routes
        .fallback(async || Error::new(Kind::NotFound, "there is no such route; /openapi.json lists them"))
        .method_not_allowed_fallback(async || Error::new(Kind::MethodNotAllowed, "this route has other methods"))
        // Innermost, so that a panic of a handler is answered, logged and counted like any other failure.
        .layer(CatchPanicLayer::custom(|_| internal("a handler panicked").into_response()))
        // Before the handler, after the guard: keys are not even compared for a foreign page.
        .layer(from_fn_with_state(callers, caller::authenticate))
        .layer(from_fn_with_state(guard, guard::check))
        // Outside all that can refuse: every answer has its id, its line in the log and its count.
        .layer(from_fn(observe::observe))
        .layer(from_fn_with_state(cloud, observe::identify))
        // Outermost: it changes bodies only.
        .layer(CompressionLayer::new())
}

/// Wraps the routes that work.
pub fn admitted<S>(routes: Router<S>, admission: &Admission, longest: Duration) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .layer(from_fn_with_state(admission.clone(), admission::admit))
        // Outside admission: waiting in the queue counts against the deadline.
        .layer(from_fn_with_state(longest, expire))
}

/// Ends a request at its deadline: the header's, and never later than `longest` from now.
async fn expire(State(longest): State<Duration>, mut request: Request, next: Next) -> Response {
    let asked = request.headers().get(DEADLINE_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let deadline = Instant::now() + asked.map_or(longest, Duration::from_millis).min(longest);
    if let Some(context) = request.extensions_mut().get_mut::<Context>() {
        context.deadline = deadline;
    }
    match timeout_at(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::new(Kind::DeadlineExceeded, "the deadline passed before there was an answer").into_response(),
    }
}
