//! `POST /sns`: events of a stack on AWS, delivered by SNS, for the processors of this machine.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    routing::post,
};
use common::{
    error::{Error, Kind, Result, internal},
    http::bounded,
    ports::Publish,
    source::{FetchLimits, HostPort, SourcePolicy, SystemResolver, WebFetcher},
};
use jiff::Timestamp;
use processors::sns::{Received, Rules, Verifier};

use crate::config::Sns;

/// SNS takes 256 KiB; as a text in JSON every quote of it has a backslash, and an envelope is around it.
const MAX_BYTES: usize = (2 * 256 + 64) * 1024;
/// A certificate and the answer to a confirmation have a few kilobytes.
const FETCHED: FetchLimits = FetchLimits { max_bytes: 64 * 1024, total: Duration::from_secs(5), redirects: 0 };

#[derive(Clone)]
struct Inbox {
    verifier: Arc<Verifier>,
    publish: Arc<dyn Publish>,
}

/// The route, where a topic is taken in; otherwise none. It asks for no key: each message is signed.
pub(crate) fn routes(settings: Option<&Sns>, publish: Arc<dyn Publish>) -> Result<Router> {
    let Some(sns) = settings else { return Ok(Router::new()) };
    let instead = sns.instead.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let opened = instead.map(|(host, port)| format!("{host}:{port}").parse::<HostPort>()).transpose()?;
    let policy = SourcePolicy::new(opened.into_iter().collect());
    let fetch = WebFetcher::new(policy, FETCHED, Arc::new(SystemResolver))?;
    let rules = Rules { topics: sns.topics.clone(), max_age: sns.max_age, instead: sns.instead.clone() };
    let inbox = Inbox { verifier: Arc::new(Verifier::new(rules, Arc::new(fetch))), publish };
    Ok(Router::new().route("/sns", post(receive)).with_state(inbox))
}

/// 200 once the event is on its topic here; SNS delivers again what is answered otherwise, but for a refusal.
async fn receive(State(inbox): State<Inbox>, request: Request) -> Result<StatusCode> {
    let body = bounded(request, MAX_BYTES).await?;
    if let Received::Event(event) = inbox.verifier.receive(&body, Timestamp::now()).await? {
        let told =
            inbox.publish.publish(&[*event]).await.pop().unwrap_or_else(|| Err(internal("nothing was published")));
        told.map_err(|cause| Error::new(Kind::Unavailable, "the event cannot be kept now").because(cause))?;
    }
    Ok(StatusCode::OK)
}
