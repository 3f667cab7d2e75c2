//! Google ID tokens by the default credentials: a service account's, or the machine's own on Google's side
//! (<https://cloud.google.com/run/docs/authenticating/service-to-service>).

use std::{panic::AssertUnwindSafe, time::Duration};

use async_trait::async_trait;
use common::error::{Error, Kind, Result, internal};
use futures_util::FutureExt;
use google_cloud_auth::credentials::idtoken::{Builder, IDTokenCredentials};
use http::{HeaderValue, header, request::Parts};
use tokio::{sync::OnceCell, time::timeout};

use super::Identify;

/// How long a token may take that is not at hand.
const PATIENCE: Duration = Duration::from_secs(5);
/// Cloud Run takes the token here as well, and passes on with its signature only the one that it did not check.
const SERVERLESS: &str = "x-serverless-authorization";

/// ID tokens for one audience. Google's client renews and keeps them.
pub(super) struct GoogleIdentity {
    audience: String,
    credentials: OnceCell<IDTokenCredentials>,
}

impl GoogleIdentity {
    pub(super) fn new(audience: &str) -> Result<Self> {
        common::http::use_ring();
        Ok(Self { audience: audience.to_owned(), credentials: OnceCell::new() })
    }

    async fn token(&self) -> Result<String> {
        let unavailable = || Error::new(Kind::Unavailable, "Google gives us no token for this cloud");
        let credentials = self.credentials.get_or_try_init(async || {
            // Built within the runtime: it starts what renews the token.
            Builder::new(&self.audience).with_include_email().build().map_err(|cause| unavailable().because(cause))
        });
        // Google's client panics on some credentials that are broken; that is a failure of this request only.
        let asked = AssertUnwindSafe(async {
            credentials.await?.id_token().await.map_err(|cause| unavailable().because(cause))
        });
        timeout(PATIENCE, asked.catch_unwind()).await.map_err(|_| unavailable())?.map_err(|_| unavailable())?
    }
}

#[async_trait]
impl Identify for GoogleIdentity {
    fn needs_body(&self) -> bool {
        false
    }

    async fn sign(&self, request: &mut Parts, _: &[u8]) -> Result<()> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token().await?)).map_err(internal)?;
        value.set_sensitive(true);
        request.headers.insert(header::AUTHORIZATION, value.clone());
        request.headers.insert(SERVERLESS, value);
        Ok(())
    }
}
