//! The fetcher: the only place that opens a URL chosen by a stranger.
//!
//! The address check sits in the resolver that the connection uses, so that what is checked is what is connected to; a name
//! whose answers change between two look-ups gains nothing. Redirects are followed here, with the whole check at each.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolving},
    redirect::Policy,
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Resolve, SourcePolicy, SourceUrl,
    address::{Refusal, judge_all},
    answer::{Answer, Coding},
    body::Body,
    policy::refused,
};
use crate::{
    error::{Error, Kind, Result, Retry, internal},
    ports::Fetch,
    request::ImageSource,
};

/// Says who asks, so that a site can tell us apart from a browser.
const USER_AGENT: &str = concat!("crosslens/", env!("CARGO_PKG_VERSION"));

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

/// Fetches from the web by a policy. Sends no cookie, no credentials, no referrer; uses no proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebFetcher {
    policy: SourcePolicy,
    limits: FetchLimits,
    /// Connects to public addresses only.
    public: Client,
    /// For hosts that the operator opened by name; apart, so that no connection of it is ever used for another host.
    opened: Client,
}

impl WebFetcher {
    /// A fetcher that looks names up with `resolver`; an error where this machine's root certificates cannot be read.
    pub fn new(policy: SourcePolicy, limits: FetchLimits, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let client = |only_public| client(Checked { resolver: resolver.clone(), only_public }, limits.total);
        Ok(Self { policy, limits, public: client(true)?, opened: client(false)? })
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
        self.policy.check_url(url)?;
        let client = if self.policy.is_exception(url) { &self.opened } else { &self.public };
        let request = client.get(url.as_url().clone());
        let request = request.header(header::ACCEPT, ACCEPT).header(header::ACCEPT_ENCODING, "identity");
        request.send().await.map_err(|error| classify(url, error))
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

/// Resolves for the connector, and lets nothing through that is not public.
struct Checked {
    resolver: Arc<dyn Resolve>,
    only_public: bool,
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, only_public) = (self.resolver.clone(), self.only_public);
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await.map_err(|cause| {
                Error::new(Kind::SourceUnavailable, "the source's host name cannot be resolved").because(cause)
            })?;
            if only_public {
                judge_all(&addresses)?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn client(resolver: Checked, total: Duration) -> Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(crate::tls::for_client()?)
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .dns_resolver(Arc::new(resolver))
        // Shared out over a host's addresses, so that one that does not answer leaves time for the next.
        .connect_timeout(total)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        .build()
        .map_err(internal)
}

/// Why nothing was answered; what the resolver refused comes back as the policy's refusal.
fn classify(url: &SourceUrl, error: reqwest::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return refused(url, *refusal);
        }
        if let Some(own) = inner.downcast_ref::<Error>() {
            return own.clone();
        }
        cause = inner.source();
    }
    if error.is_builder() {
        return Error::new(Kind::InvalidRequest, "the url cannot be asked for").because(error.without_url());
    }
    let message = if error.is_connect() { "the source cannot be reached" } else { "the source answered badly" };
    Error::new(Kind::SourceUnavailable, message).because(error.without_url())
}

fn broken_off(error: reqwest::Error) -> Error {
    Error::new(Kind::SourceUnavailable, "the source broke off").because(error.without_url())
}
