//! The page of `up` and what it needs: its files, the sample, the events as they happen, the metrics.

use std::convert::Infallible;

use axum::{
    Router,
    extract::State,
    http::{HeaderName, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Frame, KeepAlive},
    },
    routing::get,
};
use common::{error::Result, event::Topic, sample::SAMPLE};
use futures_util::{Stream, stream};
use local::{From, SqliteTopics, Tail};
use tokio::sync::watch;

/// Nothing from elsewhere runs or is loaded; pictures that were dropped are shown from memory.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the events need.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) topics: SqliteTopics,
    /// Turns true when the server stops: streams that never end by themselves end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// `GET /` and its files, `/sample`, `/events`.
pub(crate) fn routes(live: Live) -> Router {
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/page.css", get(async || file("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/page.js", get(async || file("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/sample", get(async || ([(header::CONTENT_TYPE, SAMPLE.media_type)], SAMPLE.bytes)))
        .route("/events", get(events))
        .with_state(live)
}

fn file(media: &'static str, text: &'static str) -> Response {
    const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (NOSNIFF, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// Every event about an image from now on, as Server-Sent Events: the name is the topic, the data the CloudEvent.
async fn events(State(live): State<Live>) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>> {
    let names = Topic::OF_IMAGES.map(Topic::name);
    let tail = live.topics.tail(&names, From::End).await?;
    let frames = stream::unfold((tail, live.stopping), |(mut tail, mut stopping)| async move {
        let frame = next(&mut tail, &mut stopping).await?;
        Some((Ok(frame), (tail, stopping)))
    });
    Ok(Sse::new(frames).keep_alive(KeepAlive::default()))
}

async fn next(tail: &mut Tail, stopping: &mut watch::Receiver<bool>) -> Option<Frame> {
    tokio::select! {
        message = tail.next() => message.ok().map(|message| Frame::default().event(message.topic).data(message.body)),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    }
}
