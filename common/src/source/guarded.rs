//! The guarded client: the only place that opens a URL chosen by a stranger, or by whoever wants to be told of events.
//!
//! The address check sits in the resolver that the connection uses, so that what is checked is what is connected to; a name
//! whose answers change between two look-ups gains nothing. It follows no redirect: each hop is a call, with the whole check.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc, time::Duration};

use http::Method;
use reqwest::{
    Client, RequestBuilder, Response,
    dns::{Addrs, Name, Resolving},
    redirect::Policy,
};

use super::{
    Resolve, SourcePolicy, SourceUrl,
    address::{Refusal, judge_all},
};
use crate::error::{Error, Kind, Result, internal};

/// Says who asks, so that a site can tell us apart from a browser.
const USER_AGENT: &str = concat!("crosslens/", env!("CARGO_PKG_VERSION"));

/// Opens URLs by a policy. Sends no cookie, no credentials, no referrer; uses no proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    policy: SourcePolicy,
    /// Connects to public addresses only.
    public: Client,
    /// For hosts that the operator opened by name; apart, so that no connection of it is ever used for another host.
    opened: Client,
}

impl Guarded {
    /// A client that looks names up with `resolver` and shares `connect` out over a host's addresses; an error where this
    /// machine's root certificates cannot be read.
    pub(super) fn new(policy: SourcePolicy, connect: Duration, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let client =
            |only_public| client(Checked { resolver: resolver.clone(), only_public, policy: policy.clone() }, connect);
        let (public, opened) = (client(true)?, client(false)?);
        Ok(Self { policy, public, opened })
    }

    /// One request and the head of its answer.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &SourceUrl,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> Result<Response> {
        self.policy.check_url(url)?;
        let client = if self.policy.is_exception(url) { &self.opened } else { &self.public };
        let request = prepare(client.request(method, url.as_url().clone()));
        request.send().await.map_err(|error| self.classify(url, error))
    }

    /// Why nothing was answered; what the resolver refused comes back as the policy's refusal.
    fn classify(&self, url: &SourceUrl, error: reqwest::Error) -> Error {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(refusal) = inner.downcast_ref::<Refusal>() {
                return self.policy.refused(url, *refusal);
            }
            if let Some(own) = inner.downcast_ref::<Error>() {
                return own.clone();
            }
            cause = inner.source();
        }
        if error.is_builder() {
            return Error::new(Kind::InvalidRequest, "the url cannot be asked for").because(error.without_url());
        }
        let happened = if error.is_connect() { "cannot be reached" } else { "answered badly" };
        self.policy.unavailable(happened).because(error.without_url())
    }
}

/// Resolves for the connector, and lets nothing through that is not public.
struct Checked {
    resolver: Arc<dyn Resolve>,
    only_public: bool,
    policy: SourcePolicy,
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, only_public) = (self.resolver.clone(), self.only_public);
        let lost = self.policy.unavailable("has a host name that cannot be resolved");
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await.map_err(|cause| lost.because(cause))?;
            if only_public {
                judge_all(&addresses)?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn client(resolver: Checked, connect: Duration) -> Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(crate::tls::for_client()?)
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .dns_resolver(Arc::new(resolver))
        // Shared out over a host's addresses, so that one that does not answer leaves time for the next.
        .connect_timeout(connect)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        .build()
        .map_err(internal)
}
