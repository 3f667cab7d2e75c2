//! Reading a request's body within bounds.

use axum::extract::Request;
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{Error, Kind, Result};

/// The whole body of at most `limit` bytes, kept in memory.
///
/// # Errors
/// `too-large` as soon as that is known, `invalid-request` where the caller stopped half-way.
pub async fn bounded(request: Request, limit: usize) -> Result<Bytes> {
    let too_large = || Error::new(Kind::TooLarge, format!("the body is larger than {limit} bytes"));
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit).collect().await;
    body.map(|body| body.to_bytes()).map_err(|cause| match cause.downcast_ref::<LengthLimitError>() {
        Some(_) => too_large(),
        None => Error::new(Kind::InvalidRequest, "the body ended early").because(cause),
    })
}
