//! One try: a request to one colour, and what its answer says about the colour.

use std::time::Duration;

use axum::body::Body;
use common::{endpoints::Pass, http::problem::TYPE_PREFIX};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::headers;
use crate::{
    client::Client,
    fleet::{Colour, UnderWay},
};

/// Answers up to this size are read whole before they are passed on, so that one that is cut can be asked for again.
const SMALL: u64 = 64 * 1024;
/// A problem is never longer.
const PROBLEM: usize = 16 * 1024;

/// How a try ended.
pub(super) enum Ended {
    /// An answer for the client.
    Answered(Response<Body>),
    /// An answer that another cloud may better.
    Poorly(Response<Body>),
    /// Nothing was sent.
    Unreached,
    /// It was cut, or the colour fell silent.
    Broken,
    /// There was no answer in time.
    Late,
}

/// How a try is to be made.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a Client,
    pub(super) colour: &'a Colour,
    pub(super) until: Instant,
    /// An answer takes longer than anybody wants to wait.
    pub(super) slow: Duration,
    pub(super) repeatable: bool,
    /// May a 429 be bettered elsewhere.
    pub(super) pay_elsewhere: bool,
}

impl Attempt<'_> {
    pub(super) async fn make(&self, request: Request<Body>, pass: Pass<'_>, under_way: UnderWay) -> Ended {
        let begun = Instant::now();
        let asked = timeout_at(self.until, self.ask(request));
        let ended = if self.repeatable {
            tokio::select! {
                biased;
                ended = asked => ended,
                // Looks have found that nobody is there: no reason to wait for an answer until the end.
                () = self.colour.health.lost() => Ok(Ended::Broken),
            }
        } else {
            asked.await
        };
        let ended = ended.unwrap_or(Ended::Late);
        let taken = begun.elapsed();
        let well = matches!(ended, Ended::Answered(_));
        match &ended {
            Ended::Answered(_) if taken > self.slow => pass.was_slow(),
            Ended::Answered(_) => pass.succeeded(),
            // Whoever was in a hurry says nothing about the colour.
            Ended::Late if taken < self.slow.min(Duration::from_secs(2)) => drop(pass),
            Ended::Poorly(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => pass.succeeded(),
            _ => pass.failed(),
        }
        self.colour.tally.tried(well, taken);
        self.colour.observe();
        let labels = [
            ("cloud", self.colour.cloud.clone()),
            ("colour", self.colour.name.clone()),
            ("outcome", ended.word().to_owned()),
        ];
        metrics::counter!("crosslens_gateway_tries_total", &labels).increment(1);
        ended.with(under_way)
    }

    async fn ask(&self, request: Request<Body>) -> Ended {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ended::Unreached,
            Err(_) => return Ended::Broken,
        };
        let (mut parts, body) = response.into_parts();
        headers::strip_hop(&mut parts.headers);
        let ill = matches!(parts.status.as_u16(), 500 | 502 | 503 | 504);
        let dear = parts.status == StatusCode::TOO_MANY_REQUESTS && self.pay_elsewhere;
        let small = hyper::body::Body::size_hint(&body).exact().is_some_and(|size| size <= SMALL);
        if !small || !(ill || self.repeatable) {
            return Ended::of(Response::from_parts(parts, Body::new(body)), ill || dear);
        }
        // Its length was told, and is small.
        let Ok(whole) = body.collect().await else { return Ended::Broken };
        let whole = whole.to_bytes();
        let ill = ill && !is_about_the_request(&parts.headers, &whole);
        Ended::of(Response::from_parts(parts, Body::from(whole)), ill || dear)
    }
}

/// Whether a failure is the image's or the caller's, and would be the same elsewhere: its host does not answer, or the caller's
/// deadline passed.
fn is_about_the_request(headers: &http::HeaderMap, body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Said {
        r#type: String,
    }
    let problem = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"application/problem+json"));
    let said: Option<Said> = (problem && body.len() <= PROBLEM).then(|| serde_json::from_slice(body).ok()).flatten();
    let kind = said.as_ref().and_then(|said| said.r#type.strip_prefix(TYPE_PREFIX));
    matches!(kind, Some("source-unavailable" | "deadline-exceeded"))
}

impl Ended {
    fn of(response: Response<Body>, poorly: bool) -> Self {
        if poorly { Self::Poorly(response) } else { Self::Answered(response) }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Poorly(_) => "poorly",
            Self::Unreached => "unreached",
            Self::Broken => "broken",
            Self::Late => "late",
        }
    }

    /// A body that is still on its way counts as under way until its end.
    fn with(self, under_way: UnderWay) -> Self {
        let hold = |response: Response<Body>| {
            let (parts, body) = response.into_parts();
            if hyper::body::Body::size_hint(&body).exact().is_some_and(|size| size <= SMALL) {
                return Response::from_parts(parts, body);
            }
            let body = body.map_frame(move |frame| {
                let _held = &under_way;
                frame
            });
            Response::from_parts(parts, Body::new(body))
        };
        match self {
            Self::Answered(response) => Self::Answered(hold(response)),
            Self::Poorly(response) => Self::Poorly(hold(response)),
            ended => ended,
        }
    }
}
