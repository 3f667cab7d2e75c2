//! Hands events to a service over HTTP: a named consumer that posts each CloudEvent until it is taken.

use std::time::Duration;

use async_trait::async_trait;
use common::error::{Error, Kind, Result, internal};
use local::{Handle, Message};
use reqwest::{Client, Url, header, redirect::Policy};

/// The most that one delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A receiver of events. Its address is the operator's own choice, so it may be a private one.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
}

impl Webhook {
    /// Posts to this URL.
    pub(crate) fn new(url: Url) -> Result<Self> {
        common::http::use_ring();
        let client =
            Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build().map_err(internal)?;
        Ok(Self { client, url })
    }
}

#[async_trait]
impl Handle for Webhook {
    /// The structured mode of the CloudEvents HTTP binding; any 2xx takes the event. Whatever else comes is tried again:
    /// the receiver may be repaired, and after the last try the event waits among the dead letters.
    async fn handle(&self, message: &Message) -> Result<()> {
        let post = self.client.post(self.url.clone()).body(message.body.clone());
        let answer = post.header(header::CONTENT_TYPE, "application/cloudevents+json").send().await;
        let failed =
            |cause: String| Error::new(Kind::Unavailable, "the receiver did not take the event").because(cause);
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(failed(format!("status {}", answer.status()))),
            Err(error) => Err(failed(error.without_url().to_string())),
        }
    }
}
