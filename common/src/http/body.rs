//! Reading a request's body within bounds: of its own size, and of the memory that all bodies together may take.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Kind, Result, internal};

/// Bytes that the bodies of all admitted requests may hold together.
const ALL_BODIES: usize = 256 * 1024 * 1024;
/// One permit of that memory.
const PERMIT: usize = 1024;

/// The memory of all bodies. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_BODIES / PERMIT)))
    }
}

/// A body and its part of the memory, which comes back when nobody holds the bytes any more.
struct Held {
    bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of a JSON body that names a picture.
pub(super) const JSON_LIMIT: usize = 64 * 1024;

/// Whether the body is JSON in a picture's place.
///
/// # Errors
/// `unsupported-media` for a form.
pub(super) fn is_json(headers: &HeaderMap) -> Result<bool> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.starts_with("multipart/") {
        let message = "send the picture itself as the body, as `curl --data-binary @picture.jpg` does, not a form";
        return Err(Error::new(Kind::UnsupportedMedia, message));
    }
    Ok(media.starts_with("application/json"))
}

/// The whole body of at most `limit` bytes, kept in memory. Waits for its part of the memory before it reads.
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
    let bodies = request.extensions().get::<Bodies>().cloned();
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
    let memory = match bodies {
        Some(Bodies(bodies)) => Some(bodies.acquire_many_owned(permits(expected)?).await.map_err(internal)?),
        None => None,
    };
    let body = Limited::new(request.into_body(), limit).collect().await;
    let bytes = body.map(|body| body.to_bytes()).map_err(|cause| match cause.downcast_ref::<LengthLimitError>() {
        Some(_) => too_large(),
        None => Error::new(Kind::InvalidRequest, "the body ended early").because(cause),
    })?;
    Ok(match memory {
        Some(mut memory) => {
            // A body of unknown length had room for the longest.
            let spare = memory.num_permits().saturating_sub(permits(bytes.len())? as usize);
            drop(memory.split(spare));
            Bytes::from_owner(Held { bytes, _memory: memory })
        }
        None => bytes,
    })
}

fn permits(bytes: usize) -> Result<u32> {
    u32::try_from(bytes.div_ceil(PERMIT).min(ALL_BODIES / PERMIT)).map_err(internal)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use tokio::time::timeout;

    use super::*;

    fn request(bodies: &Bodies, bytes: usize) -> Request {
        let mut request = Request::new(Body::from(vec![7; bytes]));
        request.extensions_mut().insert(bodies.clone());
        request
    }

    #[tokio::test]
    async fn bodies_share_their_memory_until_nobody_holds_them() {
        let bodies = Bodies(Arc::new(Semaphore::new(4)));
        // Of unknown length, so that it takes the limit first and gives the rest back.
        let first = bounded(request(&bodies, 3000), 4 * PERMIT).await.unwrap();
        assert_eq!((first.len(), bodies.0.available_permits()), (3000, 1));
        let second = timeout(Duration::from_millis(50), bounded(request(&bodies, 2000), 2 * PERMIT)).await;
        assert!(second.is_err(), "there is no room for it yet");
        let part = first.slice(0..10);
        drop(first);
        assert_eq!(bodies.0.available_permits(), 1, "a part of it is held");
        drop(part);
        bounded(request(&bodies, 2000), 2 * PERMIT).await.unwrap();
        assert_eq!(bodies.0.available_permits(), 4);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_and_keeps_nothing() {
        let bodies = Bodies(Arc::new(Semaphore::new(4)));
        assert_eq!(bounded(request(&bodies, 1025), 1024).await.unwrap_err().kind(), Kind::TooLarge);
        assert_eq!(bodies.0.available_permits(), 4);
    }
}
