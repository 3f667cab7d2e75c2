//! What stand-ins of AWS's services have in common that speak JSON by `X-Amz-Target`: they check signature and protocol of every
//! call as the service would, keep the good ones, and answer as they are told to.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{boto::REGION, sigv4::Signed};

/// The kind of an error in the service's own words, and what is wrong.
pub type Fault = (&'static str, String);

/// What one service looks for in a call, and how it answers.
pub trait Spoken: Clone + Send + Sync + Sized + 'static {
    /// As in `rekognition`, where calls are signed for it.
    const SERVICE: &'static str;
    /// What stands before the operation's name in `X-Amz-Target`, with the dot.
    const TARGET: &'static str;
    /// Its kind of error for a call that makes no sense.
    const INVALID: &'static str;

    /// What the service remembers.
    type State: Debug + Default + Send;

    /// What is kept of a call.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(operation: &str, request: Value) -> Result<Self, Fault>;

    /// The usual answer, and what the call changes.
    ///
    /// # Errors
    /// What the service refuses though nothing is wrong with the call, as what is not there.
    fn answer(&self, state: &mut Self::State) -> Result<Value, Fault>;
}

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct AwsJsonStandIn<A: Spoken> {
    address: SocketAddr,
    shared: Arc<Mutex<Shared<A>>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Shared<A: Spoken> {
    asked: Vec<A>,
    faults: Vec<String>,
    next: BTreeMap<String, VecDeque<(u16, Value)>>,
    lost: Vec<String>,
    state: A::State,
}

impl<A: Spoken> AwsJsonStandIn<A> {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (asked, faults, lost, next) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let shared = Shared { asked, faults, next, lost, state: A::State::default() };
        let stand_in = Self { address, shared: Arc::new(Mutex::new(shared)), gate: Arc::new(watch::Sender::new(true)) };
        let routes =
            Router::new().fallback(answer::<A>).layer(DefaultBodyLimit::max(64 << 20)).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next call of this operation with this status and JSON.
    pub fn next(&self, operation: &str, status: u16, body: Value) {
        self.shared().next.entry(operation.to_owned()).or_default().push_back((status, body));
    }

    /// Does what the next call of this operation wants, and answers it as if it had failed.
    pub fn lose(&self, operation: &str) {
        self.shared().lost.push(operation.to_owned());
    }

    /// Looks at what is remembered, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut A::State) -> T) -> T {
        look(&mut self.shared().state)
    }

    /// Answers nobody until [`Self::release`].
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Answers whoever waits, and whoever comes.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// The calls so far, of which nothing was wrong.
    pub fn asked(&self) -> Vec<A> {
        self.shared().asked.clone()
    }

    /// What was wrong with calls so far.
    pub fn faults(&self) -> Vec<String> {
        self.shared().faults.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared<A>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer<A: Spoken>(
    State(stand_in): State<AwsJsonStandIn<A>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let checked = check::<A>(&method, &uri, &headers, &body);
    let (operation, asked) = match checked.and_then(|(name, request)| Ok((name.clone(), A::read(&name, request)?))) {
        Ok(asked) => asked,
        Err((kind, fault)) => {
            stand_in.shared().faults.push(fault.clone());
            return reply(400, &json!({ "__type": kind, "Message": fault }));
        }
    };
    let (status, body) = {
        let mut shared = stand_in.shared();
        let told = shared.next.get_mut(&operation).and_then(VecDeque::pop_front);
        let told = told.unwrap_or_else(|| match asked.answer(&mut shared.state) {
            Ok(answer) => (200, answer),
            Err((kind, refusal)) => (400, json!({ "__type": kind, "Message": refusal })),
        });
        shared.asked.push(asked);
        match shared.lost.iter().position(|lost| *lost == operation) {
            Some(place) => {
                shared.lost.remove(place);
                (500, json!({ "__type": "InternalServerError", "Message": "the answer is lost" }))
            }
            None => told,
        }
    };
    let mut gate = stand_in.gate.subscribe();
    let _ = gate.wait_for(|open| *open).await;
    reply(status, &body)
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (status, headers, Body::from(body.to_string())).into_response()
}

/// Signature and protocol; gives the operation and the request.
fn check<A: Spoken>(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(String, Value), Fault> {
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
    };
    let headers: BTreeMap<String, String> = headers.iter().map(text).collect();
    let get = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let signed = Signed {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: headers.clone(),
        body,
        region: REGION,
        service: A::SERVICE,
    };
    signed.check().map_err(|fault| ("InvalidSignatureException", fault))?;
    let invalid = |fault: String| (A::INVALID, fault);
    if get("content-type") != "application/x-amz-json-1.1" {
        return Err(invalid(format!("the content type is {}", get("content-type"))));
    }
    let target = get("x-amz-target");
    let operation = target.strip_prefix(A::TARGET).ok_or_else(|| invalid(format!("target {target}")))?;
    let request = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    Ok((operation.to_owned(), request))
}
