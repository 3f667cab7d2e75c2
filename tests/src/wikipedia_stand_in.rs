//! A stand-in for Wikipedia's page summaries: it knows the entries that it is given, and checks path and `User-Agent` of every call as
//! Wikimedia's policy asks for them (<https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy>).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

const SUMMARY: &str = "/api/rest_v1/page/summary/";

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct WikipediaStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: BTreeMap<String, (u16, Value)>,
    asked: Vec<String>,
    faults: Vec<String>,
}

impl WikipediaStandIn {
    /// Starts it with no entry.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared: Arc::default() };
        let routes = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an entry of this type, as in `standard` or `disambiguation`, under a title with underscores.
    pub fn entry(&self, title: &str, kind: &str, description: &str, extract: &str) {
        let plain = title.replace('_', " ");
        let entry = json!({
            "type": kind, "title": plain, "displaytitle": format!("<i>{plain}</i>"), "description": description,
            "titles": { "canonical": title, "normalized": plain, "display": plain }, "extract": extract,
            "content_urls": { "desktop": { "page": format!("https://en.wikipedia.org/wiki/{title}") } },
        });
        self.answer(title, 200, entry);
    }

    /// Answers for this title with this status and JSON.
    pub fn answer(&self, title: &str, status: u16, body: Value) {
        self.shared().entries.insert(title.to_owned(), (status, body));
    }

    /// The titles that were asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared().asked.clone()
    }

    /// What was wrong with calls so far.
    pub fn faults(&self) -> Vec<String> {
        self.shared().faults.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(stand_in): State<WikipediaStandIn>, uri: Uri, headers: HeaderMap) -> Response {
    let mut shared = stand_in.shared();
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // NAME/VERSION and, in brackets, how whoever runs it can be reached.
    let named = agent.split_once('/').is_some_and(|(name, rest)| name == "crosslens" && rest.contains("(https://"));
    if !named {
        shared.faults.push(format!("the User-Agent is {agent:?}"));
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(title) = uri.path().strip_prefix(SUMMARY).filter(|title| !title.is_empty() && !title.contains('/')) else {
        shared.faults.push(format!("the path is {}", uri.path()));
        return StatusCode::NOT_FOUND.into_response();
    };
    shared.asked.push(title.to_owned());
    let none = (404, json!({ "type": "Internal error", "title": "Not found.", "method": "get" }));
    let (status, body) = shared.entries.get(title).cloned().unwrap_or(none);
    let status = StatusCode::from_u16(status).expect("a status");
    let kind = "application/json; charset=utf-8; profile=\"https://www.mediawiki.org/wiki/Specs/Summary/1.4.2\"";
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}
