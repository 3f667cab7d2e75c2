//! The line of a request in the log, and its counts.

use std::time::Instant;

use axum::body::Body;
use common::http::{BILLED, CLOUD, PROVIDER, bounded_method};
use http::{HeaderName, HeaderValue, Response, request::Parts};
use metrics::{counter, histogram};
use tracing::info;

use crate::{
    fleet::{Cloud, Colour},
    routing,
};

const COLOUR: HeaderName = HeaderName::from_static(routing::COLOUR);

/// What is known of a request so far. No query, no key, no address.
pub(crate) struct Access {
    pub(crate) request_id: String,
    trace_id: String,
    pub(crate) caller: String,
    method: &'static str,
    route: &'static str,
    cloud: String,
    colour: String,
    tries: usize,
    pub(crate) bytes_in: usize,
    begun: Instant,
    sent: Option<Instant>,
}

impl Access {
    pub(crate) fn new(parts: &Parts, request_id: String, trace_id: String) -> Self {
        Self {
            request_id,
            trace_id,
            caller: String::new(),
            method: bounded_method(&parts.method),
            route: routing::pattern(parts.uri.path()),
            cloud: String::new(),
            colour: String::new(),
            tries: 0,
            bytes_in: 0,
            begun: Instant::now(),
            sent: None,
        }
    }

    /// A try begins.
    pub(crate) fn asked(&mut self, cloud: &Cloud, colour: &Colour, tries: usize) {
        self.cloud.clone_from(&cloud.name);
        self.colour.clone_from(&colour.name);
        self.tries = tries;
        self.sent = Some(Instant::now());
    }

    /// An answer of a cloud: the client hears whose it is, and the tally who made it.
    pub(crate) fn came(&self, mut response: Response<Body>, cloud: &Cloud, colour: &Colour) -> Response<Body> {
        let headers = response.headers_mut();
        if let Some(provider) = headers.get(PROVIDER).and_then(|value| value.to_str().ok()) {
            let billed = headers.get(BILLED).and_then(|value| value.to_str().ok()?.parse().ok());
            colour.tally.answered(provider, billed.unwrap_or(0));
        }
        for (name, value) in [(CLOUD, &cloud.name), (COLOUR, &colour.name)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }

    /// The request is answered; what is left of the body is on its way.
    pub(crate) fn done(self, response: Response<Body>) -> Response<Body> {
        let status = response.status().as_u16();
        let elapsed = self.begun.elapsed();
        let labels = [("cloud", self.cloud.clone()), ("colour", self.colour.clone()), ("status", status.to_string())];
        counter!("crosslens_gateway_requests_total", &labels).increment(1);
        histogram!("crosslens_gateway_seconds", "cloud" => self.cloud.clone()).record(elapsed.as_secs_f64());
        let upstream = self.sent.map_or(0.0, |sent| sent.elapsed().as_secs_f64() * 1000.0);
        info!(
            request.id = self.request_id,
            trace.id = self.trace_id,
            caller = self.caller,
            http.method = self.method,
            http.route = self.route,
            http.status = status,
            cloud = self.cloud,
            colour = self.colour,
            tries = self.tries,
            bytes_in = self.bytes_in,
            bytes_out = hyper::body::Body::size_hint(response.body()).exact(),
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            upstream_ms = upstream,
            "request"
        );
        response
    }
}
