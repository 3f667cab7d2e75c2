//! One request from left to right: who asks, where it may go, its body, a try, perhaps a second one, the answer.

mod attempt;
mod headers;
mod upload;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{body::Body, response::IntoResponse};
use common::{
    detectors::DEADLINE_HEADER,
    error::{Error, Kind, Result},
    http::{REQUEST_ID, SIGNED, continued, fill, trace_id, usable_id},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use tokio::{sync::Semaphore, time::Instant};
use tower::retry::budget::{Budget, TpsBudget};
use uuid::Uuid;

use crate::{
    access::Access,
    client::Client,
    fleet::{Turn, Wish},
    keys::Allowance,
    routing,
    running::Running,
};
use attempt::{Attempt, Ended};
use upload::Upload;

/// Tries for one request.
const TRIES: usize = 2;

/// What stands between clients and clouds.
pub(crate) struct Relay {
    running: Arc<ArcSwap<Running>>,
    client: Client,
    budget: TpsBudget,
    kept: Arc<Semaphore>,
    secure: bool,
}

impl Relay {
    pub(crate) fn new(running: Arc<ArcSwap<Running>>, client: Client) -> Self {
        let config = running.load().config.clone();
        let budget = TpsBudget::new(Duration::from_secs(10), config.retries.reserve, config.retries.budget);
        let kept = Arc::new(Semaphore::new(config.front.keep_bodies / 1024));
        Self { running, client, budget, kept, secure: config.tls.is_some() }
    }

    /// Answers a request, whatever comes; every answer has its id and its line in the log.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let id = usable_id(&parts.headers).unwrap_or_else(|| Uuid::now_v7().to_string());
        let trace = continued(&parts.headers);
        let mut access = Access::new(&parts, id, trace_id(&trace).to_owned());
        // Before anything of ours is put there: `Connection` may name any header.
        headers::strip_hop(&mut parts.headers);
        put(&mut parts.headers, REQUEST_ID, &access.request_id);
        put(&mut parts.headers, HeaderName::from_static("traceparent"), &trace);
        let running = self.running.load_full();
        let mut allowance = None;
        let answered = match own(&parts, &running) {
            Some(answered) => answered,
            None => self.relay(parts, body, peer, &running, &mut access, &mut allowance).await,
        };
        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        fill(&mut response, &access.request_id);
        put(response.headers_mut(), REQUEST_ID, &access.request_id);
        if let Some(allowance) = allowance {
            Allowance::put(allowance, response.headers_mut());
        }
        access.done(response)
    }

    async fn relay(
        &self,
        mut parts: Parts,
        body: Incoming,
        peer: SocketAddr,
        running: &Running,
        access: &mut Access,
        allowance: &mut Option<Allowance>,
    ) -> Result<Response<Body>> {
        admit(&parts, running, access, allowance)?;
        let front = &running.config.front;
        let asked = parts.headers.get(DEADLINE_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        let deadline = Instant::now() + asked.map_or(front.deadline, Duration::from_millis).min(front.deadline);
        let wish = routing::wish(&parts, &running.fleet, &running.config.rules)?;
        let repeatable = routing::is_repeatable(&parts);
        let host = parts.headers.remove(header::HOST).or_else(|| authority(&parts));
        headers::strip_credentials(&mut parts.headers);
        headers::forwarded(&mut parts.headers, peer.ip(), host, self.secure);
        let read = Upload::read(body, front, &self.kept, running.needs_bodies);
        let mut upload = tokio::time::timeout_at(deadline, read).await.map_err(|_| late())??;
        access.bytes_in = upload.known().map_or(0, bytes::Bytes::len);
        self.budget.deposit();
        let asking = Asking { parts, wish, repeatable, deadline };
        self.tries(&asking, &mut upload, running, access).await
    }

    async fn tries(
        &self,
        asking: &Asking,
        upload: &mut Upload,
        running: &Running,
        access: &mut Access,
    ) -> Result<Response<Body>> {
        let mut tried: Vec<Turn> = Vec::with_capacity(TRIES);
        let mut last: Option<Result<Response<Body>>> = None;
        loop {
            let turn = match (running.fleet.choose(&asking.wish, &tried), last.take()) {
                (Ok(turn), earlier) => {
                    last = earlier;
                    turn
                }
                // What the first one said is nearer to the truth than that there is no second one.
                (Err(_), Some(earlier)) => return earlier,
                (Err(error), None) => return Err(error),
            };
            // Another request was faster to ask for all; the next choice sees that.
            let Some((cloud, colour, pass)) = running.fleet.enter(turn) else {
                tokio::task::yield_now().await;
                continue;
            };
            if !tried.is_empty() {
                let allowed = self.budget.withdraw();
                let outcome = if allowed { "made" } else { "refused" };
                metrics::counter!("crosslens_gateway_retries_total", "outcome" => outcome).increment(1);
                if !allowed {
                    return last.unwrap_or_else(|| Err(unreached()));
                }
            }
            let under_way = colour.begin();
            tried.push(turn);
            let more = tried.len() < TRIES && !asking.wish.anyway && upload.known().is_some();
            let more = more && running.fleet.has_another(&asking.wish, &tried);
            let now = Instant::now();
            let left = asking.deadline.saturating_duration_since(now);
            if left.is_zero() {
                return last.unwrap_or_else(|| Err(late()));
            }
            let until = if more && asking.repeatable { now + left / 2 } else { asking.deadline };
            access.asked(cloud, colour, tried.len());
            let mut parts = asking.parts.clone();
            parts.uri = headers::at(colour, &asking.parts.uri).map_err(common::error::internal)?;
            parts.version = http::Version::HTTP_11;
            put(&mut parts.headers, HeaderName::from_static(DEADLINE_HEADER), &(until - now).as_millis().to_string());
            if let Some(identity) = &cloud.identity {
                identity.sign(&mut parts, upload.known().map_or(&[][..], |bytes| bytes)).await?;
            }
            let request = Request::from_parts(parts, upload.body());
            let attempt = Attempt {
                client: &self.client,
                colour,
                until,
                slow: running.config.ejection.slow,
                repeatable: asking.repeatable,
                pay_elsewhere: running.config.front.pay_elsewhere,
            };
            let ended = attempt.make(request, pass, under_way).await;
            let again = more && (asking.repeatable || matches!(ended, Ended::Unreached));
            last = Some(match ended {
                Ended::Answered(response) => return Ok(access.came(response, cloud, colour)),
                Ended::Poorly(response) => Ok(access.came(response, cloud, colour)),
                Ended::Late => Err(late()),
                Ended::Unreached | Ended::Broken => Err(unreached()),
            });
            if !again {
                return last.unwrap_or_else(|| Err(unreached()));
            }
        }
    }
}

/// What stays the same over all tries.
struct Asking {
    parts: Parts,
    wish: Wish,
    repeatable: bool,
    deadline: Instant,
}

/// The gateway's own health: no detail to strangers.
fn own(parts: &Parts, running: &Running) -> Option<Result<Response<Body>>> {
    let said = |word: &str| Ok(axum::Json(serde_json::json!({ "status": word })).into_response());
    match parts.uri.path() {
        "/health/live" => Some(said("live")),
        "/health/ready" if running.fleet.is_ready() => Some(said("ready")),
        "/health/ready" => Some(Err(Error::new(Kind::Unavailable, "no cloud answers now"))),
        _ => None,
    }
}

/// Who asks, and whether within the limit. What is signed proves by itself where it comes from, to the cloud that a rule names.
fn admit(parts: &Parts, running: &Running, access: &mut Access, allowance: &mut Option<Allowance>) -> Result<()> {
    let path = parts.uri.path();
    let ruled = |path: &str| running.config.rules.iter().any(|rule| rule.path.as_deref() == Some(path));
    if path == "/openapi.json" || (SIGNED.contains(&path) && ruled(path)) {
        return Ok(());
    }
    let Some(holder) = running.keys.holder(&parts.headers)? else { return Ok(()) };
    access.caller = holder.name.clone();
    match holder.take() {
        Ok(left) => *allowance = left,
        Err((left, wait)) => {
            *allowance = Some(left);
            return Err(Error::new(Kind::RateLimited, "this key has asked for as much as it may").after(wait));
        }
    }
    Ok(())
}

fn authority(parts: &Parts) -> Option<HeaderValue> {
    HeaderValue::from_str(parts.uri.authority()?.as_str()).ok()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn late() -> Error {
    Error::new(Kind::DeadlineExceeded, "no cloud answered in time")
}

fn unreached() -> Error {
    Error::new(Kind::Unavailable, "the cloud cannot be reached").after(Duration::from_secs(1))
}
