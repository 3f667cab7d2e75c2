//! Our errors in Google's words: the one table, and the two places where an error can stand.

use axum::response::Response;
use common::{
    error::{Error, Kind},
    http::problem::Wording,
};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// A `google.rpc.Status`: an image's own error.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    code: u16,
    message: String,
}

impl Status {
    pub(super) fn of(error: &Error) -> Self {
        Self { code: code(error.kind()).number, message: error.message().to_owned() }
    }
}

/// Words the error of a whole call, also of one that was refused before it was read.
pub(super) async fn worded(mut response: Response) -> Response {
    let Some(error) = response.extensions().get::<Error>() else { return response };
    *response.status_mut() = code(error.kind()).http;
    response.extensions_mut().insert(Wording(whole_call));
    response
}

fn whole_call(error: &Error) -> Value {
    let Code { http, name, .. } = code(error.kind());
    json!({ "error": { "code": http.as_u16(), "message": error.message(), "status": name } })
}

/// A `google.rpc.Code`, with the HTTP status that it has in Google's APIs.
struct Code {
    number: u16,
    http: StatusCode,
    name: &'static str,
}

fn code(kind: Kind) -> Code {
    let (number, http, name) = match kind {
        Kind::InvalidRequest
        | Kind::TooLarge
        | Kind::UnsupportedMedia
        | Kind::UndecodableImage
        | Kind::Unprocessable => (3, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
        Kind::DeadlineExceeded => (4, StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
        Kind::SourceNotFound | Kind::NotFound => (5, StatusCode::NOT_FOUND, "NOT_FOUND"),
        Kind::Forbidden | Kind::Denied | Kind::SourceBlocked => (7, StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        Kind::RateLimited => (8, StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED"),
        Kind::Unsupported | Kind::MethodNotAllowed => (12, StatusCode::NOT_IMPLEMENTED, "UNIMPLEMENTED"),
        Kind::DetectorFailed | Kind::Internal => (13, StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        Kind::SourceUnavailable | Kind::Unavailable => (14, StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Kind::Unauthenticated => (16, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
    };
    Code { number, http, name }
}
