//! A key that does not change: a bearer key, or the key of an Azure function.

use async_trait::async_trait;
use common::error::{Result, internal};
use http::{HeaderName, HeaderValue, header, request::Parts};
use secrecy::{ExposeSecret, SecretString};

use super::Identify;

/// One header that says it all.
pub(super) struct Key {
    name: HeaderName,
    value: HeaderValue,
}

impl Key {
    pub(super) fn bearer(secret: &SecretString) -> Result<Self> {
        Self::new(header::AUTHORIZATION, format!("Bearer {}", secret.expose_secret()))
    }

    /// <https://learn.microsoft.com/azure/azure-functions/function-keys-how-to>
    pub(super) fn function(secret: &SecretString) -> Result<Self> {
        Self::new(HeaderName::from_static("x-functions-key"), secret.expose_secret().to_owned())
    }

    fn new(name: HeaderName, value: String) -> Result<Self> {
        let mut value = HeaderValue::try_from(value).map_err(internal)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

#[async_trait]
impl Identify for Key {
    fn needs_body(&self) -> bool {
        false
    }

    async fn sign(&self, request: &mut Parts, _: &[u8]) -> Result<()> {
        request.headers.insert(self.name.clone(), self.value.clone());
        Ok(())
    }
}
