//! `GET` and `POST /messages`: Twilio's webhook.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result},
    http::{Context, bounded},
};

use super::{SIGNATURE, Signed, Verifier, door::Door, incoming::Incoming, twiml};

/// A message has 1,600 letters at the most, and ten URLs.
const MAX_BYTES: usize = 256 * 1024;

/// The header that says how many messages follow the answer.
pub const REPLIES: HeaderName = HeaderName::from_static("x-crosslens-replies");

#[derive(Clone)]
struct Webhook {
    verifier: Arc<Verifier>,
    door: Door,
}

/// The routes. They ask for no key: each request is signed.
pub fn routes(verifier: Verifier, door: Door) -> Router {
    let webhook = Webhook { verifier: Arc::new(verifier), door };
    // HEAD would be answered as GET is, and nobody signs one.
    Router::new().route("/messages", get(receive).post(receive)).with_state(webhook)
}

/// Answers with TwiML.
async fn receive(State(webhook): State<Webhook>, context: Context, request: Request) -> Result<Response> {
    let method = request.method().clone();
    if method == Method::HEAD {
        return Err(Error::new(Kind::MethodNotAllowed, "this route has other methods"));
    }
    let Taken { query, content_type, body } = taken(&webhook.verifier, request, MAX_BYTES).await?;
    let message = match (&method, body.is_empty()) {
        (_, true) => Incoming::of_form(query.unwrap_or_default().as_bytes()),
        _ if content_type.contains("json") => Incoming::of_json(&body),
        _ => Incoming::of_form(&body),
    }?;
    if !message.written {
        return Ok(xml(None, 0));
    }
    let answer = webhook.door.take(&message, Some(&context.traceparent)).await?;
    Ok(xml(answer.text.as_deref(), answer.replies))
}

/// A request whose signature is right.
pub struct Taken {
    /// The query as it was received; `None` where there is no question mark.
    pub query: Option<String>,
    /// The `Content-Type`; empty where there is none.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

/// Reads a request of at most `limit` bytes and checks its signature.
///
/// # Errors
/// `too-large`; `forbidden` for a signature that is not right.
pub async fn taken(verifier: &Verifier, request: Request, limit: usize) -> Result<Taken> {
    let query = request.uri().query().map(str::to_owned);
    let content_type = text(&request, &header::CONTENT_TYPE);
    let signature = text(&request, &HeaderName::from_static(SIGNATURE));
    let body = bounded(request, limit).await?;
    let signed = Signed { query: query.as_deref(), content_type: &content_type, body: &body, signature: &signature };
    verifier.verify(&signed)?;
    Ok(Taken { query, content_type, body })
}

fn text(request: &Request, name: &HeaderName) -> String {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn xml(text: Option<&str>, replies: usize) -> Response {
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/xml")), (REPLIES, HeaderValue::from(replies))];
    (headers, twiml::answer(text)).into_response()
}
