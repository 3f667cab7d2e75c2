//! Who we are to a cloud. A client's own credentials never get there.

mod aws_signature;
mod google_identity;
mod key;

use std::sync::Arc;

use async_trait::async_trait;
use common::{error::Result, settings::Environment};
use http::request::Parts;

use crate::config::IdentityConfig;

/// Puts our credentials into a request.
///
/// # Behavior
/// - Answers from memory while credentials are valid, and renews them early.
/// - What cannot be had is `unavailable`; the request is not sent without.
#[async_trait]
pub(crate) trait Identify: Send + Sync {
    /// Whether the whole body must be known.
    fn needs_body(&self) -> bool;

    /// Signs a request whose URI is absolute; `body` is empty where it need not be known.
    async fn sign(&self, request: &mut Parts, body: &[u8]) -> Result<()>;
}

pub(crate) fn open(config: &IdentityConfig, environment: &Environment) -> Result<Arc<dyn Identify>> {
    let secret = config.secret(environment).transpose()?;
    Ok(match (config, secret) {
        (IdentityConfig::Key { .. }, Some(secret)) => Arc::new(key::Key::bearer(&secret)?),
        (IdentityConfig::FunctionKey { .. }, Some(secret)) => Arc::new(key::Key::function(&secret)?),
        (IdentityConfig::IdToken { audience }, _) => Arc::new(google_identity::GoogleIdentity::new(audience)?),
        (IdentityConfig::Sigv4 { service, region }, _) => {
            Arc::new(aws_signature::AwsSignature::new(service.clone(), region.clone()))
        }
        _ => return Err(common::error::internal("a key that was checked is not there")),
    })
}
