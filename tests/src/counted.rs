//! A reverse proxy on loopback that counts the calls to a server of AWS's protocols and lets them fail as it is told to. It
//! changes nothing of what it hands on, so signatures stay good.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::http::client;

/// What is read instead of an answer that was lost.
const LOST: &str = r#"{"__type":"InternalServerError","message":"the answer is lost"}"#;

/// The proxy. It stops with the runtime that it was started on.
///
/// A call is named by its `X-Amz-Target` (`DynamoDB_20120810.PutItem`, `AmazonSQS.SendMessage`), else by the `Action` of its
/// form (`Publish`), else by method and path (`PUT /bucket/key`). A name that ends with `*` means all that begin so.
#[derive(Debug, Clone)]
pub struct Counted {
    address: SocketAddr,
    behind: Arc<Behind>,
}

#[derive(Debug)]
struct Behind {
    url: String,
    client: reqwest::Client,
    /// Held by the call that is under way, where calls go one by one.
    turn: Option<tokio::sync::Mutex<()>>,
    gate: watch::Sender<bool>,
    /// Answers that were kept back so far.
    kept: watch::Sender<usize>,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Vec<String>,
    times: Vec<Took>,
    faults: Vec<Fault>,
}

/// A call that was handed on and answered.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Took {
    pub name: String,
    /// Bytes of its body.
    pub sent: usize,
    /// When it arrived, and when its answer was there.
    pub begun: Instant,
    pub ended: Instant,
}

#[derive(Debug)]
struct Fault {
    target: String,
    left: usize,
    deed: Deed,
}

#[derive(Debug, Clone)]
enum Deed {
    /// The server does not see the call.
    Answer(StatusCode, String),
    /// The server does what it was asked, and only its answer is lost.
    Lose,
    /// The server does what it was asked, and its answer is kept back until the gate opens.
    Keep,
    /// Nothing happens to it.
    Pass,
    /// The server sees the call later.
    Hold,
    /// It does so after this long.
    Slow(Duration),
}

impl Counted {
    /// Starts it in front of the server at this URL.
    pub async fn in_front_of(url: &str) -> Self {
        Self::start(url, None).await
    }

    /// The same, with one call after the other: for a server that does not keep those apart that come at the same time.
    pub async fn one_by_one(url: &str) -> Self {
        Self::start(url, Some(tokio::sync::Mutex::default())).await
    }

    async fn start(url: &str, turn: Option<tokio::sync::Mutex<()>>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let behind = Behind {
            url: url.to_owned(),
            client: client(),
            turn,
            gate: watch::Sender::new(true),
            kept: watch::Sender::new(0),
            shared: Mutex::default(),
        };
        let counted = Self { address, behind: Arc::new(behind) };
        let router =
            Router::new().fallback(hand_on).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&counted.behind));
        tokio::spawn(async move { axum::serve(listener, router).await });
        counted
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until `n` answers were kept back.
    pub async fn kept(&self, n: usize) {
        self.behind.kept.subscribe().wait_for(|kept| *kept >= n).await.expect("the gate lives as long as the proxy");
    }

    /// How many answers were kept back so far.
    pub fn kept_so_far(&self) -> usize {
        *self.behind.kept.borrow()
    }

    /// Lets the next `n` calls with this name pass, whatever is to happen to those after them.
    pub fn pass_next(&self, target: &str, n: usize) {
        self.fault(target, n, Deed::Pass);
    }

    /// Lets all calls pass again.
    pub fn forget_faults(&self) {
        self.shared().faults.clear();
    }

    /// How many calls with this name have arrived.
    pub fn calls(&self, target: &str) -> usize {
        self.shared().calls.iter().filter(|call| is_named(call, target)).count()
    }

    /// The names of all calls so far, in their order.
    pub fn all(&self) -> Vec<String> {
        self.shared().calls.clone()
    }

    /// The calls that were handed on and answered so far, in the order of their answers.
    pub fn times(&self) -> Vec<Took> {
        self.shared().times.clone()
    }

    /// Forgets the calls so far.
    pub fn reset(&self) {
        let mut shared = self.shared();
        (shared.calls, shared.times) = (Vec::new(), Vec::new());
    }

    /// Answers the next `n` calls with this name itself, as told; the server does not see them.
    pub fn fail_next(&self, target: &str, n: usize, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.fault(target, n, Deed::Answer(status, body.to_owned()));
    }

    /// Hands the next `n` calls with this name on and loses the answers: the caller reads a fault of the server.
    pub fn lose_next(&self, target: &str, n: usize) {
        self.fault(target, n, Deed::Lose);
    }

    /// Keeps the next `n` calls with this name waiting, until [`Self::release`].
    pub fn hold_next(&self, target: &str, n: usize) {
        self.behind.gate.send_replace(false);
        self.fault(target, n, Deed::Hold);
    }

    /// Hands the next `n` calls with this name on and keeps the answers back, until [`Self::release`].
    pub fn keep_next(&self, target: &str, n: usize) {
        self.behind.gate.send_replace(false);
        self.fault(target, n, Deed::Keep);
    }

    /// Hands the next `n` calls with this name on after this long only.
    pub fn slow_next(&self, target: &str, n: usize, by: Duration) {
        self.fault(target, n, Deed::Slow(by));
    }

    /// Hands on what was held, and what was kept back.
    pub fn release(&self) {
        self.behind.gate.send_replace(true);
    }

    fn fault(&self, target: &str, left: usize, deed: Deed) {
        self.shared().faults.push(Fault { target: target.to_owned(), left, deed });
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.behind.shared()
    }
}

impl Behind {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and says what is to happen to it.
    fn take_in(&self, name: String) -> Option<Deed> {
        let mut shared = self.shared();
        let fault = shared.faults.iter_mut().find(|fault| fault.left > 0 && is_named(&name, &fault.target));
        let deed = fault.map(|fault| {
            fault.left -= 1;
            fault.deed.clone()
        });
        shared.calls.push(name);
        deed
    }

    async fn released(&self) {
        self.gate.subscribe().wait_for(|open| *open).await.expect("the gate lives as long as the proxy");
    }
}

fn is_named(call: &str, target: &str) -> bool {
    target.strip_suffix('*').map_or(call == target, |begin| call.starts_with(begin))
}

fn name(parts: &axum::http::request::Parts, body: &[u8]) -> String {
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.to_owned();
    }
    let is_form = |headers: &HeaderMap| {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
    };
    let action = std::str::from_utf8(body)
        .ok()
        .filter(|_| is_form(&parts.headers))
        .and_then(|form| form.split('&').find_map(|pair| pair.strip_prefix("Action=")));
    action.map_or_else(|| format!("{} {}", parts.method, parts.uri.path()), ToOwned::to_owned)
}

async fn hand_on(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return said(StatusCode::BAD_REQUEST, "cut off");
    };
    let (name, sent) = (name(&parts, &body), body.len());
    let deed = behind.take_in(name.clone());
    match &deed {
        Some(Deed::Answer(status, text)) => return said(*status, text),
        Some(Deed::Hold) => behind.released().await,
        Some(Deed::Slow(by)) => tokio::time::sleep(*by).await,
        Some(Deed::Lose | Deed::Keep | Deed::Pass) | None => {}
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // The body is whole by now, so its length is known whatever way it came.
    let mut headers = parts.headers;
    headers.remove(header::TRANSFER_ENCODING);
    let _turn = match &behind.turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    let asked = behind.client.request(parts.method, format!("{}{path}", behind.url)).headers(headers).body(body);
    let answered = match asked.send().await {
        Ok(answer) => whole(answer).await,
        Err(error) => said(StatusCode::BAD_GATEWAY, &error.to_string()),
    };
    behind.shared().times.push(Took { name, sent, begun, ended: Instant::now() });
    match deed {
        Some(Deed::Lose) => said(StatusCode::INTERNAL_SERVER_ERROR, LOST),
        Some(Deed::Keep) => {
            behind.kept.send_modify(|kept| *kept += 1);
            behind.released().await;
            answered
        }
        _ => answered,
    }
}

async fn whole(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let body: Bytes = match answer.bytes().await {
        Ok(body) => body,
        Err(error) => return said(StatusCode::BAD_GATEWAY, &error.to_string()),
    };
    headers.remove(header::TRANSFER_ENCODING);
    // A HEAD has no body and tells the length of one.
    if !body.is_empty() {
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut response = Response::new(Body::from(body));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn said(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
