//! A stand-in for Google Vision: it has no eyes, but it checks what it is sent, counts it, and fails as it is told to. What
//! Vision would really see is the embedded model's part, behind the Vision-compatible face.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

/// How one call is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Labels for every image.
    Labels,
    /// These answers, whatever the images.
    Answers(Vec<Value>),
    /// A Google error with this status, and `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// This text with status 200.
    Text(&'static str),
    /// Nothing for so long, then labels.
    Late(Duration),
    /// The connection is closed without a word.
    Hangup,
}

/// One call that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its images, decoded.
    pub images: Vec<Bytes>,
    /// What is asked about the first image, by Google's numbers.
    pub features: Vec<i64>,
}

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct VisionStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Shared {
    /// What comes next, before `always`.
    next: VecDeque<Reply>,
    always: Reply,
    delay: Duration,
    keep: bool,
    calls: Vec<Call>,
    images: Vec<usize>,
}

impl VisionStandIn {
    /// Starts it, answering with labels at once and keeping what it gets.
    pub async fn start() -> Self {
        let shared = Shared {
            next: VecDeque::new(),
            always: Reply::Labels,
            delay: Duration::ZERO,
            keep: true,
            calls: vec![],
            images: vec![],
        };
        let shared = Arc::new(Mutex::new(shared));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared, gate: Arc::new(watch::Sender::new(true)) };
        let routes = Router::new()
            .route("/v1/images:annotate", post(annotate))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What every call is answered with from now on, unless [`Self::next`] says otherwise.
    pub fn always(&self, reply: Reply) {
        self.shared().always = reply;
    }

    /// What the next calls are answered with, in this order.
    pub fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared().next.extend(replies);
    }

    /// How long every answer takes from now on.
    pub fn delay(&self, delay: Duration) {
        self.shared().delay = delay;
    }

    /// Answers nobody until [`Self::release`].
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Answers whoever waits, and whoever comes.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// Counts from now on, and keeps no picture.
    pub fn count_only(&self) {
        self.shared().keep = false;
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared().calls.clone()
    }

    /// How many images each call so far has had.
    pub fn images(&self) -> Vec<usize> {
        self.shared().images.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    requests: Vec<Item<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'a> {
    #[serde(borrow)]
    image: Image<'a>,
    features: Vec<Feature>,
}

/// A `source` would be an unknown field: a stranger's URL is never handed on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image<'a> {
    content: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Feature {
    r#type: i64,
    #[allow(dead_code)]
    max_results: i64,
}

async fn annotate(State(stand_in): State<VisionStandIn>, body: Bytes) -> Response {
    let count = match take_in(&stand_in.shared, &body) {
        Ok(count) => count,
        Err(problem) => return google_error(400, &problem, None),
    };
    let (reply, delay) = {
        let mut shared = stand_in.shared();
        (shared.next.pop_front().unwrap_or_else(|| shared.always.clone()), shared.delay)
    };
    stand_in.gate.subscribe().wait_for(|open| *open).await.expect("the gate lives as long as the stand-in");
    tokio::time::sleep(delay).await;
    match reply {
        Reply::Labels => answers(vec![labels(); count]),
        Reply::Answers(values) => answers(values),
        Reply::Status(status, wait) => google_error(status, "as it was told", wait),
        Reply::Text(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Reply::Late(wait) => {
            tokio::time::sleep(wait).await;
            answers(vec![labels(); count])
        }
        // Ends the connection's task, and the connection with it; no message is printed.
        Reply::Hangup => std::panic::resume_unwind(Box::new(())),
    }
}

/// Checks and counts a call: at most 16 images, each of them base64 of a JPEG or PNG.
fn take_in(shared: &Mutex<Shared>, body: &[u8]) -> Result<usize, String> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let count = request.requests.len();
    if count > 16 {
        return Err(format!("{count} images in one call"));
    }
    let keep = shared.lock().unwrap_or_else(PoisonError::into_inner).keep;
    let mut images = Vec::new();
    for item in &request.requests {
        let content = item.image.content;
        // What JPEG, PNG, GIF, BMP and WebP files begin with.
        if !["/9j/", "iVBORw0KGgo", "R0lGOD", "Qk", "UklGR"].iter().any(|magic| content.starts_with(magic)) {
            return Err("the content is no picture".to_owned());
        }
        if keep {
            let bytes = data_encoding::BASE64.decode(content.as_bytes()).map_err(|error| error.to_string())?;
            images.push(Bytes::from(bytes));
        }
    }
    let features = request.requests.first().map(|item| item.features.iter().map(|feature| feature.r#type).collect());
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.images.push(count);
    if keep {
        shared.calls.push(Call { images, features: features.unwrap_or_default() });
    }
    Ok(count)
}

/// An answer as Vision's, with safe search as the sign that it has looked.
fn labels() -> Value {
    json!({
        "labelAnnotations": [{ "mid": "/m/02vqfm", "description": "Coffee", "score": 0.9, "topicality": 0.9 }],
        "safeSearchAnnotation": {
            "adult": "VERY_UNLIKELY", "spoof": "VERY_UNLIKELY", "medical": "UNLIKELY",
            "violence": "UNLIKELY", "racy": "VERY_UNLIKELY"
        }
    })
}

fn answers(values: Vec<Value>) -> Response {
    axum::Json(json!({ "responses": values })).into_response()
}

/// Google's error body (<https://cloud.google.com/apis/design/errors>).
fn google_error(status: u16, message: &str, wait: Option<u32>) -> Response {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        403 => "PERMISSION_DENIED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    let body = json!({ "error": { "code": status, "message": message, "status": name } }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}
