//! Request id, trace, log line, metrics and timing of every request.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use metrics::{counter, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};
use uuid::Uuid;

use super::{Context, problem, trace};
use crate::{
    error::{Error, Result, internal},
    request::{Caller, Cloud},
};

/// Names a request in answers and logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Which cloud answered.
pub const CLOUD: HeaderName = HeaderName::from_static("x-crosslens-cloud");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Starts counting for the whole process; the handle renders Prometheus text.
pub fn install_metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(internal)?.install_recorder().map_err(internal)
}

/// Gives the request its context and the answer its id.
pub(super) async fn identify(State(cloud): State<Cloud>, mut request: Request, next: Next) -> Response {
    let request_id = usable_id(request.headers()).unwrap_or_else(|| Uuid::now_v7().to_string());
    let traceparent = trace::continued(request.headers());
    let caller = Caller(cloud.name().to_owned());
    let deadline = Instant::now() + Duration::from_secs(30);
    request.extensions_mut().insert(Context { request_id: request_id.clone(), traceparent, caller, deadline });
    let mut response = next.run(request).await;
    problem::fill(&mut response, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(CLOUD, HeaderValue::from_static(cloud.name()));
    response
}

/// The caller's own id, where it is short and plain enough for logs and headers.
pub fn usable_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=64).contains(&id.len()) && id.bytes().all(plain)).then(|| id.to_owned())
}

/// One span, one log line, one count and one duration for each request. Paths and queries stay out of all of them: the
/// route's pattern says enough.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = bounded(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let (request_id, trace_id) = match request.extensions().get::<Context>() {
        Some(context) => (context.request_id.clone(), trace::trace_id(&context.traceparent).to_owned()),
        None => Default::default(),
    };
    let span = info_span!("request", request.id = request_id, trace.id = trace_id);
    let mut response = next.run(request).instrument(span.clone()).await;

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    span.in_scope(|| match response.extensions().get::<Error>() {
        Some(error) if status >= 500 => {
            let cause = error.causes();
            error!(http.method = method, http.route = route, http.status = status, duration_ms = milliseconds, %error, cause, "request failed");
        }
        Some(error) => {
            let cause = error.causes();
            warn!(http.method = method, http.route = route, http.status = status, duration_ms = milliseconds, %error, cause, "request refused");
        }
        None => info!(http.method = method, http.route = route, http.status = status, duration_ms = milliseconds, "request"),
    });
    let labels = [("route", route.clone()), ("method", method.to_owned()), ("status", status.to_string())];
    histogram!("crosslens_http_request_seconds", "route" => route.clone()).record(elapsed.as_secs_f64());
    counter!("crosslens_http_requests_total", &labels).increment(1);
    if let Ok(value) = HeaderValue::from_str(&format!("total;dur={milliseconds:.3}")) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
    response
}

/// Methods are the caller's to invent; what is logged and counted is not.
pub fn bounded(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}
