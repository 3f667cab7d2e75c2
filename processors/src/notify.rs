//! Telling others by webhook, as Standard Webhooks has it (<https://www.standardwebhooks.com>): each target is a processor of its
//! own, so that one that hangs or refuses delays nobody else, and what it has taken is remembered under its name.
//!
//! # Layout, in reading order
//! `target` is who is told of what, and how much of it; `settings` reads that from a file; `signature` proves that it comes
//! from us. Retries, waiting and dead letters are the topics' business.

mod settings;
mod signature;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result, Retry, internal},
    event::{Event, Topic},
    ports::Settlement,
    source::{Answered, GuardedPost, SourceUrl},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

use crate::Processor;

pub use settings::targets;
pub use signature::Secret;
pub use target::{Name, Private, Target};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Hands a body to a URL of somebody else's.
///
/// # Behavior
/// - Connects to addresses only that the operator's rule allows, and follows no redirect.
/// - An answer of any status is no error; no answer in time is one that may pass.
#[async_trait]
pub trait Post: Send + Sync {
    /// Posts once.
    async fn post(&self, url: &SourceUrl, headers: HeaderMap, body: Bytes) -> Result<Answered>;
}

#[async_trait]
impl Post for GuardedPost {
    async fn post(&self, url: &SourceUrl, headers: HeaderMap, body: Bytes) -> Result<Answered> {
        GuardedPost::post(self, url, headers, body).await
    }
}

/// Tells one target.
pub struct Notify {
    name: String,
    target: Target,
    post: Arc<dyn Post>,
}

impl Notify {
    /// Tells this target by these means; its name as a processor is `notify:` and the target's.
    pub fn new(target: Target, post: Arc<dyn Post>) -> Self {
        Self { name: format!("notify:{}", target.name), target, post }
    }

    fn headers(&self, event: &Event, body: &[u8], now: Timestamp) -> Result<HeaderMap> {
        let seconds = now.as_second();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"));
        headers.insert(ID, HeaderValue::from_str(&event.id).map_err(internal)?);
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        if !self.target.secrets.is_empty() {
            let signatures = signature::signatures(&self.target.secrets, &event.id, seconds, body);
            headers.insert(SIGNATURE, HeaderValue::from_str(&signatures).map_err(internal)?);
        }
        Ok(headers)
    }
}

#[async_trait]
impl Processor for Notify {
    fn name(&self) -> &str {
        &self.name
    }

    fn consumes(&self) -> &[Topic] {
        &self.target.topics
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        if self.target.wants(event) {
            let body = Bytes::from(serde_json::to_vec(&self.target.shown(event)).map_err(internal)?);
            let headers = self.headers(event, &body, Timestamp::now())?;
            judge(self.post.post(&self.target.url, headers, body).await?)?;
        }
        Ok(Settlement::default())
    }
}

/// Whether the event was taken. A receiver that is gone has said that it wants nothing more; whatever else is wrong with it may
/// be repaired.
fn judge(answered: Answered) -> Result<()> {
    let status = answered.status.as_u16();
    let refused = || Error::new(Kind::Unavailable, format!("the target answered {status}"));
    match (status, answered.retry_after) {
        (200..=299, _) => Ok(()),
        (410, _) => Err(refused().with_retry(Retry::Never)),
        (_, Some(wait)) => Err(refused().after(wait)),
        (_, None) => Err(refused()),
    }
}
