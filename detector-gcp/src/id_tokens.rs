//! Who calls, by Google's ID tokens.

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    http::Verify,
    request::Caller,
};
use url::Url;

/// Who may call, and for whom their tokens must be.
#[derive(Debug, Clone)]
pub struct Audience {
    /// What `aud` must be one of: this service's URLs.
    pub audiences: Vec<String>,
    /// The service accounts that may call.
    pub accounts: Vec<String>,
    /// Where the keys are; Google's own address without it.
    pub keys_url: Option<Url>,
}

/// Verifies Google's ID tokens.
#[derive(Debug)]
pub struct IdTokens {}

impl IdTokens {
    /// Nothing is fetched before the first token.
    pub fn new(_audience: &Audience) -> Result<Self> {
        Ok(Self {})
    }
}

#[async_trait]
impl Verify for IdTokens {
    async fn verify(&self, _token: &str) -> Result<Caller> {
        Err(Error::new(Kind::Unauthenticated, "no token is accepted yet"))
    }
}
