//! Events that AWS SNS delivers by HTTP: nobody is believed before the signature is checked, and nothing is asked of a host that
//! is not AWS's (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).
//!
//! # Layout, in reading order
//! `message` is what a message must hold and what its signature is over; `address` is the rule for the two URLs in it;
//! `certificate` is the key that signed. All three are pure; asking for a URL is the port's business.

mod address;
mod certificate;
mod message;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{
    error::{Error, Kind, Result},
    event::Event,
    ports::Fetch,
    request::ImageSource,
    source::SourceUrl,
};
use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;
use serde_json::Value;
use tracing::{info, warn};
use url::Url;

use self::{
    address::{certificate_url, confirmation_url, opened_at},
    certificate::Certificate,
    message::{Message, Type},
};

/// How far the clock of SNS may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How old a message may be, unless it is said.
pub const MAX_AGE: Duration = Duration::from_hours(1);
/// Certificates kept: there is one for a region and a few years.
const CERTIFICATES: usize = 32;

/// What is taken in.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The ARNs of the topics; messages of others are refused.
    pub topics: BTreeSet<String>,
    /// How old a message may be. A retry of SNS is as old as its first delivery.
    pub max_age: Duration,
    /// Where AWS's URLs are opened instead, for tests and emulators: same path, another host. The rules for the URLs stay.
    pub instead: Option<Url>,
}

/// What a genuine message came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// An event, to be published here.
    Event(Box<Event>),
    /// The subscription is confirmed.
    Confirmed,
    /// The subscription was ended by somebody who may.
    Ended,
}

/// Takes messages in; one for all requests.
pub struct Verifier {
    rules: Rules,
    fetch: Arc<dyn Fetch>,
    certificates: Cache<String, Arc<Certificate>>,
}

impl Verifier {
    /// Asks for certificates and confirms subscriptions by `fetch`, which has to bound what it reads and to follow no redirect.
    pub fn new(rules: Rules, fetch: Arc<dyn Fetch>) -> Self {
        Self { rules, fetch, certificates: Cache::new(CERTIFICATES) }
    }

    /// Takes one message in, as it came in a request's body. What it costs to find out that a message is forged rises from check
    /// to check, and the first URL is opened after all that needs none.
    ///
    /// # Errors
    /// - `invalid-request` for what is no message of SNS or no event of ours,
    /// - `forbidden` for what is not genuine, too old or of a foreign topic,
    /// - `unprocessable` for an event that lies elsewhere,
    /// - `unavailable` where AWS does not answer: SNS delivers again.
    pub async fn receive(&self, body: &[u8], now: Timestamp) -> Result<Received> {
        let message = Message::read(body)?;
        if !self.rules.topics.contains(&message.topic) {
            return Err(forbidden("the topic is not one that is taken in; see --sns-topic"));
        }
        self.check_time(&message, now)?;
        let certificate = self.certificate(&message.certificate).await?;
        certificate.check(&message, now)?;
        match message.of {
            Type::Notification => event(&message.message).map(Box::new).map(Received::Event),
            Type::Subscription => {
                self.confirm(&message).await?;
                info!(topic = message.topic, "subscription confirmed");
                Ok(Received::Confirmed)
            }
            Type::Unsubscription => {
                warn!(topic = message.topic, "the subscription was ended; no more events come from there");
                Ok(Received::Ended)
            }
        }
    }

    fn check_time(&self, message: &Message, now: Timestamp) -> Result<()> {
        let age = now.duration_since(message.timestamp);
        if age > SignedDuration::try_from(self.rules.max_age).unwrap_or(SignedDuration::MAX) {
            return Err(forbidden("the message is too old"));
        }
        if age < -AHEAD {
            return Err(forbidden("the message is from the future"));
        }
        Ok(())
    }

    async fn certificate(&self, url: &str) -> Result<Arc<Certificate>> {
        let address = certificate_url(url)?;
        let ask = async {
            let pem = self.ask(&address).await.map_err(|error| match error.is_permanent() {
                true => forbidden("there is no such signing certificate").because(error),
                false => Error::new(Kind::Unavailable, "the signing certificate cannot be had").because(error),
            })?;
            Certificate::read(&pem).map(Arc::new)
        };
        self.certificates.get_or_insert_async(url, ask).await
    }

    async fn confirm(&self, message: &Message) -> Result<()> {
        let address = confirmation_url(message.subscribe_url.as_deref().unwrap_or_default(), &message.topic)?;
        let failed =
            |error: Error| Error::new(Kind::Unavailable, "the subscription cannot be confirmed").because(error);
        self.ask(&address).await.map(drop).map_err(failed)
    }

    async fn ask(&self, address: &Url) -> Result<bytes::Bytes> {
        let url = SourceUrl::parse(opened_at(address, self.rules.instead.as_ref()).as_str())?;
        self.fetch.fetch(&ImageSource::Url(url)).await
    }
}

/// The event in a notification: one of ours, told under its own identity.
fn event(text: &str) -> Result<Event> {
    let foreign = || Error::new(Kind::InvalidRequest, "the notification is not an event of Crosslens");
    let value: Value = serde_json::from_str(text).map_err(|cause| foreign().because(cause))?;
    if value.get("dataref").is_some() {
        let message = "the event was too large for SNS and lies in the stack's bucket, where it is not read from here";
        return Err(Error::new(Kind::Unprocessable, message));
    }
    let event: Event = serde_json::from_value(value).map_err(|cause| foreign().because(cause))?;
    let own = format!("{}:{}", event.image(), event.topic().kind());
    let same = event.id.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let typed = event.specversion == "1.0" && event.r#type == event.topic().event_type();
    if same && typed && &event.subject == event.image() { Ok(event) } else { Err(foreign()) }
}

fn forbidden(message: &'static str) -> Error {
    Error::new(Kind::Forbidden, message)
}
