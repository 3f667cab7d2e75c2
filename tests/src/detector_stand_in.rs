//! A stand-in for a Crosslens detector on its bad days: it keeps what it is sent and answers as it is told to. On good days the
//! real `detector-gcp` is at hand.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct DetectorStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Shared {
    status: u16,
    body: String,
    received: Vec<Received>,
}

impl DetectorStandIn {
    /// Starts it, answering that there is one label, `stand-in`.
    pub async fn start() -> Self {
        let shared = Shared { status: 200, body: Self::analysis().to_string(), received: vec![] };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared: Arc::new(Mutex::new(shared)), gate: Arc::new(watch::Sender::new(true)) };
        let routes = Router::new().fallback(answer).layer(DefaultBodyLimit::max(64 << 20)).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An analysis as a detector gives it.
    pub fn analysis() -> Value {
        json!({
            "id": "gcp-aaaaaaaaaaaaaaaaaaaaaaaaaa", "requestId": "r", "digest": format!("sha256:{}", "0".repeat(64)),
            "mediaType": "image/jpeg", "width": 1, "height": 1, "provider": "stand-in", "model": "1",
            "labels": [{ "description": "stand-in", "score": 0.5 }],
            "analyzedAt": "2026-11-20T10:00:00Z", "durationMs": 1,
        })
    }

    /// The answer of a detector that was asked for these features: it can tell labels, and `text` where that is `able`.
    pub fn reading(able: bool, features: &[&str]) -> String {
        let mut answer = Self::analysis();
        let fields = answer.as_object_mut().expect("an analysis is an object");
        if !features.contains(&"labels") {
            fields.remove("labels");
        }
        if features.contains(&"text") && able {
            fields.insert("text".to_owned(), json!({ "content": "EXIT", "blocks": [] }));
        } else {
            fields.insert("unsupported".to_owned(), json!(["text"]));
        }
        answer.to_string()
    }

    /// How every request is answered from now on.
    pub fn always(&self, status: u16, body: impl Into<String>) {
        let mut shared = self.shared();
        (shared.status, shared.body) = (status, body.into());
    }

    /// Answers nobody until [`Self::release`].
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Answers whoever waits, and whoever comes.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared().received.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(stand_in): State<DetectorStandIn>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let judged = uri.query().is_some_and(|query| query.contains("safe_search"));
    stand_in.shared().received.push(Received { uri, headers, body });
    let mut gate = stand_in.gate.subscribe();
    let _ = gate.wait_for(|open| *open).await;
    let shared = stand_in.shared();
    let status = StatusCode::from_u16(shared.status).expect("a status");
    let answer = if judged { unjudged(&shared.body) } else { shared.body.clone() };
    (status, Body::from(answer)).into_response()
}

/// The answer of a detector that cannot judge safety, which policies ask about.
fn unjudged(answer: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(answer) else { return answer.to_owned() };
    if fields.contains_key("provider") && !fields.contains_key("safeSearch") {
        let unsupported = fields.entry("unsupported").or_insert_with(|| json!([]));
        unsupported.as_array_mut().expect("a list of features").push(json!("safe_search"));
    }
    Value::Object(fields).to_string()
}
