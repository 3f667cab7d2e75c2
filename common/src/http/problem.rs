//! Errors as `application/problem+json` (RFC 9457), from the one table in `error`.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Kind};

/// What every `type` begins with.
pub const TYPE_PREFIX: &str = "https://crosslens.dev/problems/";

/// The body of every error answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// [`TYPE_PREFIX`] and the kind, as in `…/source-blocked`.
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to this request.
    pub detail: String,
    /// Names the request in the log.
    pub request_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

impl Problem {
    /// The public face of an error.
    pub fn new(error: &Error, request_id: &str) -> Self {
        let kind = error.kind();
        Self {
            r#type: format!("{TYPE_PREFIX}{}", kind.slug()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: error.message().to_owned(),
            request_id: request_id.to_owned(),
            retryable: !error.is_permanent(),
        }
    }
}

/// The answer carries the error itself along, so that the outermost layer can log its causes and fill in the request id.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let wait = match self.kind() {
            Kind::RateLimited | Kind::Unavailable => Some(self.retry_after().map_or(1, |wait| wait.as_secs().max(1))),
            _ => self.retry_after().map(|wait| wait.as_secs().max(1)),
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind() == Kind::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// How a route words its errors where it speaks another API: set among a response's extensions, beside the error.
#[derive(Debug, Clone, Copy)]
pub struct Wording(pub fn(&Error) -> serde_json::Value);

/// Writes the problem's body, now that the request id is known.
pub fn fill(response: &mut Response, request_id: &str) {
    let Some(error) = response.extensions().get::<Error>() else { return };
    let (media, body) = match response.extensions().get::<Wording>() {
        Some(Wording(word)) => ("application/json", word(error).to_string().into_bytes()),
        None => {
            let problem = Problem::new(error, request_id);
            ("application/problem+json", serde_json::to_vec(&problem).unwrap_or_default())
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
}
