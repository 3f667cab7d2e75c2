//! Fetching a stranger's picture: redirects are followed here, with the whole check at each, and bodies are read within bounds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, header};
use reqwest::Response;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Resolve, SourcePolicy, SourceUrl,
    answer::{Answer, Coding},
    body::Body,
    guarded::Guarded,
};
use crate::{
    error::{Error, Kind, Result, Retry, internal},
    ports::Fetch,
    request::ImageSource,
};

/// The types that are taken in, so that a server that has several forms of a picture sends one of them.
const ACCEPT: &str = "image/jpeg, image/png, image/webp, image/gif, image/bmp, image/tiff, */*;q=0.1";

/// What one download may take.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Bytes on the wire, and again after content decoding.
    pub max_bytes: usize,
    /// From the first look-up to the last byte, redirects included.
    pub total: Duration,
    /// Redirects that are followed.
    pub redirects: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { max_bytes: 20 * 1024 * 1024, total: Duration::from_secs(5), redirects: 3 }
    }
}

/// Fetches from the web by a policy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebFetcher {
    guarded: Guarded,
    limits: FetchLimits,
    accept: &'static str,
    user_agent: Option<&'static str>,
}

impl WebFetcher {
    /// A fetcher that looks names up with `resolver`; an error where this machine's root certificates cannot be read.
    pub fn new(policy: SourcePolicy, limits: FetchLimits, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let guarded = Guarded::new(policy, limits.total, resolver)?;
        Ok(Self { guarded, limits, accept: ACCEPT, user_agent: None })
    }

    /// Asks for another type than pictures, under a name that says whom to write to.
    #[must_use]
    pub fn asking_for(mut self, accept: &'static str, user_agent: &'static str) -> Self {
        (self.accept, self.user_agent) = (accept, Some(user_agent));
        self
    }

    async fn open(&self, source: &SourceUrl) -> Result<Bytes> {
        let mut url = source.clone();
        for _ in 0..=self.limits.redirects {
            let response = self.ask(&url).await?;
            match Answer::of(response.status(), response.headers())? {
                Answer::Body(coding) => return self.read(response, coding).await,
                Answer::Redirect(location) => url = url.join(&location)?,
            }
        }
        let message = format!("the source redirects more than {} times", self.limits.redirects);
        Err(Error::new(Kind::SourceUnavailable, message).with_retry(Retry::Never))
    }

    async fn ask(&self, url: &SourceUrl) -> Result<Response> {
        let prepare = |request: reqwest::RequestBuilder| {
            let request = request.header(header::ACCEPT, self.accept).header(header::ACCEPT_ENCODING, "identity");
            match self.user_agent {
                Some(name) => request.header(header::USER_AGENT, name),
                None => request,
            }
        };
        self.guarded.send(Method::GET, url, prepare).await
    }

    async fn read(&self, mut response: Response, coding: Coding) -> Result<Bytes> {
        let mut body = Body::new(coding, response.content_length(), self.limits.max_bytes)?;
        while let Some(chunk) = response.chunk().await.map_err(broken_off)? {
            body.push(&chunk)?;
        }
        if body.is_packed() { spawn_blocking(move || body.finish()).await.map_err(internal)? } else { body.finish() }
    }
}

#[async_trait]
impl Fetch for WebFetcher {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        let ImageSource::Url(url) = source else {
            return Err(Error::new(Kind::Unsupported, "only urls are fetched from the web"));
        };
        let late = |_| Error::new(Kind::SourceUnavailable, "the source did not deliver the image in time");
        timeout(self.limits.total, self.open(url)).await.map_err(late)?
    }
}

fn broken_off(error: reqwest::Error) -> Error {
    Error::new(Kind::SourceUnavailable, "the source broke off").because(error.without_url())
}
