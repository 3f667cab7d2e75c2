//! A stand-in for Twilio's REST API of messages, of which no emulator is to be had without an account: it carries nothing, but it
//! checks what it is sent as the service would, keeps it, lists it, and has bad days.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::stream;
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Letters in one message, at the most.
const LONGEST: usize = 1600;

/// How the stand-in answers whoever sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes it.
    Fine,
    /// It takes nothing, with this status.
    Status(u16),
    /// It takes nothing, with the status 400 and this code of Twilio's.
    Code(u32),
    /// It takes it, and the connection breaks before the answer is there.
    TakesAndBreaks,
    /// The connection breaks, and it has taken nothing.
    Breaks,
    /// It takes it and answers when its mood has changed.
    TakesAndHangs,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Twilio's name for it.
    pub sid: String,
    /// Whose it is to be.
    pub to: String,
    /// Our number.
    pub from: String,
    /// What it says.
    pub body: String,
    /// When it was taken.
    pub created: Timestamp,
}

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct TwilioStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    mood: Arc<watch::Sender<Mood>>,
}

#[derive(Debug, Default)]
struct Shared {
    taken: Vec<Sms>,
    tries: usize,
    looks: usize,
    wrong: Vec<String>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "To")]
    to: String,
    #[serde(rename = "From")]
    from: String,
    #[serde(rename = "PageSize")]
    page_size: usize,
}

impl TwilioStandIn {
    /// The account that it knows.
    pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
    /// The account's token.
    pub const TOKEN: &str = "stand-in-token-0123456789";

    /// Starts it, in a fine mood.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared: Arc::default(), mood: Arc::new(watch::Sender::new(Mood::Fine)) };
        let routes = Router::new()
            .route("/2010-04-01/Accounts/{account}/Messages.json", get(list).post(create))
            .with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it answers from now on.
    pub fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What was taken, in order. Panics where anything that it was sent was not as Twilio wants it.
    pub fn taken(&self) -> Vec<Sms> {
        let shared = self.shared();
        assert!(shared.wrong.is_empty(), "{:?}", shared.wrong);
        shared.taken.clone()
    }

    /// How often somebody tried to send.
    pub fn tries(&self) -> usize {
        self.shared().tries
    }

    /// How often somebody asked for the list.
    pub fn looks(&self) -> usize {
        self.shared().looks
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_known(&self, account: &str, headers: &HeaderMap) -> bool {
        let right = format!("Basic {}", BASE64.encode(format!("{}:{}", Self::ACCOUNT, Self::TOKEN).as_bytes()));
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        account == Self::ACCOUNT && sent == Some(right.as_str())
    }

    fn wrong(&self, status: u16, code: u32, what: &str) -> Response {
        self.shared().wrong.push(what.to_owned());
        refused(status, code)
    }

    /// A message that is as it should be, or the status, the code and what is wrong.
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Sms, (u16, u32, &'static str)> {
        let form = headers.get(header::CONTENT_TYPE).is_some_and(|media| media == "application/x-www-form-urlencoded");
        if !form {
            return Err((415, 20_000, "the content type is that of no form"));
        }
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| {
            let values: Vec<&String> =
                fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect();
            if let [value] = values.as_slice() { (*value).clone() } else { String::new() }
        };
        let (to, from, text) = (field("To"), field("From"), field("Body"));
        if fields.len() != 3 || !to.starts_with('+') || !from.starts_with('+') {
            return Err((400, 21_211, "not exactly one To, From and Body"));
        }
        if text.is_empty() || text.chars().count() > LONGEST {
            return Err((400, 21_617, "the body is empty or too long"));
        }
        let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
        Ok(Sms { sid, to, from, body: text, created: Timestamp::now() })
    }
}

async fn create(
    State(stand_in): State<TwilioStandIn>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    stand_in.shared().tries += 1;
    if !stand_in.is_known(&account, &headers) {
        return stand_in.wrong(401, 20_003, "the credentials are not those of the account");
    }
    let sms = match TwilioStandIn::read(&headers, &body) {
        Ok(sms) => sms,
        Err((status, code, what)) => return stand_in.wrong(status, code, what),
    };
    let mood = *stand_in.mood.borrow();
    match mood {
        Mood::Status(status) => return refused(status, 20_500),
        Mood::Code(code) => return refused(400, code),
        Mood::Breaks => return broken(),
        Mood::Fine | Mood::TakesAndBreaks | Mood::TakesAndHangs => stand_in.shared().taken.push(sms.clone()),
    }
    if mood == Mood::TakesAndBreaks {
        return broken();
    }
    let mut changes = stand_in.mood.subscribe();
    let _ = changes.wait_for(|mood| *mood != Mood::TakesAndHangs).await;
    (StatusCode::CREATED, Json(shown(&sms))).into_response()
}

async fn list(
    State(stand_in): State<TwilioStandIn>,
    Path(account): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    stand_in.shared().looks += 1;
    if !stand_in.is_known(&account, &headers) {
        return stand_in.wrong(401, 20_003, "the credentials are not those of the account");
    }
    let shared = stand_in.shared();
    let same = shared.taken.iter().rev().filter(|sms| sms.to == asked.to && sms.from == asked.from);
    let messages: Vec<Value> = same.take(asked.page_size).map(shown).collect();
    Json(json!({ "messages": messages, "page_size": asked.page_size, "next_page_uri": null })).into_response()
}

fn shown(sms: &Sms) -> Value {
    let created = rfc2822::to_string(&sms.created.to_zoned(TimeZone::UTC)).expect("a date of this century");
    json!({
        "sid": sms.sid, "to": sms.to, "from": sms.from, "body": sms.body, "status": "queued",
        "direction": "outbound-api", "date_created": created, "date_sent": null,
    })
}

fn refused(status: u16, code: u32) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(json!({ "code": code, "message": "refused by the stand-in", "status": status.as_u16() })))
        .into_response()
}

/// An answer that ends before it is whole.
fn broken() -> Response {
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("broken off"))]);
    (StatusCode::CREATED, Body::from_stream(broken)).into_response()
}
