//! A request's body: kept for a second try where it is small enough, streamed once otherwise, never more than may be, and never
//! waited for without end.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use common::error::{Error, Kind, Result};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutBody;

use crate::config::Front;

/// What is counted of kept bodies.
const KILOBYTE: usize = 1024;

/// A body on its way.
pub(super) enum Upload {
    /// It can be sent again.
    Kept(
        Bytes,
        #[expect(dead_code, reason = "the memory is held for as long as the body")] Option<OwnedSemaphorePermit>,
    ),
    /// It can be sent once.
    Streamed(Option<Body>),
}

impl Upload {
    /// Takes a body in. `whole` wants all of it, however large.
    pub(super) async fn read(body: Incoming, front: &Front, kept: &Arc<Semaphore>, whole: bool) -> Result<Self> {
        if body.is_end_stream() {
            return Ok(Self::Kept(Bytes::new(), None));
        }
        let hint = body.size_hint();
        let known = hint.exact().and_then(|length| usize::try_from(length).ok());
        if known.is_some_and(|length| length > front.max_body) {
            return Err(too_large());
        }
        let most = if whole { front.max_body } else { front.keep_body };
        let reserved = known.unwrap_or(most);
        let permits = u32::try_from(reserved / KILOBYTE + 1).unwrap_or(u32::MAX);
        let paced = Body::new(Limited::new(TimeoutBody::new(front.slow_client, body), front.max_body));
        let permit = match kept.clone().try_acquire_many_owned(permits) {
            Ok(permit) if reserved <= most => permit,
            Ok(_) => return Ok(Self::Streamed(Some(paced))),
            Err(_) if whole => {
                let message = "the memory for bodies is used up; try again";
                return Err(Error::new(Kind::RateLimited, message).after(Duration::from_secs(1)));
            }
            Err(_) => return Ok(Self::Streamed(Some(paced))),
        };
        Self::keep(paced, known, most, permit).await
    }

    async fn keep(mut body: Body, known: Option<usize>, most: usize, permit: OwnedSemaphorePermit) -> Result<Self> {
        let mut first = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| unread(cause.into_inner()))?;
            let Ok(data) = frame.into_data() else { continue };
            // A body of one piece, as most are, is not copied.
            if first.is_none() && all.is_empty() {
                first = Some(data);
                continue;
            }
            if let Some(first) = first.take() {
                all.reserve(known.unwrap_or(0).max(first.len() + data.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
            if all.len() > most {
                let so_far = all.freeze();
                let rest = body.into_data_stream();
                let begun = futures_util::stream::once(std::future::ready(Ok(so_far)));
                let stream = futures_util::StreamExt::chain(begun, rest);
                let frames = futures_util::TryStreamExt::map_ok(stream, Frame::data);
                return Ok(Self::Streamed(Some(Body::new(StreamBody::new(frames)))));
            }
        }
        Ok(Self::Kept(first.unwrap_or_else(|| all.freeze()), Some(permit)))
    }

    /// The whole, where it is known.
    pub(super) fn known(&self) -> Option<&Bytes> {
        match self {
            Self::Kept(bytes, _) => Some(bytes),
            Self::Streamed(_) => None,
        }
    }

    /// For one try.
    pub(super) fn body(&mut self) -> Body {
        match self {
            Self::Kept(bytes, _) if bytes.is_empty() => Body::empty(),
            Self::Kept(bytes, _) => Body::new(Full::new(bytes.clone())),
            Self::Streamed(body) => body.take().unwrap_or_default(),
        }
    }
}

fn too_large() -> Error {
    Error::new(Kind::TooLarge, "the body is larger than this gateway takes")
}

fn unread(cause: axum::BoxError) -> Error {
    if cause.is::<LengthLimitError>() {
        return too_large();
    }
    if cause.is::<tower_http::timeout::TimeoutError>() {
        return Error::new(Kind::InvalidRequest, "the body came too slowly").because(cause);
    }
    Error::new(Kind::InvalidRequest, "the body ended early").because(cause)
}
