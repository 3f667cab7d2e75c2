//! Who may call: nobody by default.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Context;
use crate::{
    error::{Error, Kind, Result},
    request::Caller,
};

/// Tells who holds a token.
///
/// # Behavior
/// - A token that is wrong in any way is `unauthenticated`; one that is right and whose holder may not call is `forbidden`.
/// - What cannot be found out is `unavailable`, never a yes.
#[async_trait]
pub trait Verify: fmt::Debug + Send + Sync {
    /// Token to caller.
    async fn verify(&self, token: &str) -> Result<Caller>;
}

/// Who may call.
#[derive(Debug, Clone)]
pub enum Callers {
    /// Everybody who reaches the listener: on loopback, or where the operator said so.
    Anybody,
    /// Who sends one of these keys as `Authorization: Bearer KEY`.
    Keys(Arc<[SecretString]>),
    /// Whom the gateway in front of us has authenticated: the front puts a [`Caller`] into the request's extensions.
    Vouched,
    /// Who sends a token that this accepts as `Authorization: Bearer TOKEN`.
    Tokens(Arc<dyn Verify>),
}

/// What strangers may read: that we live, whether we are ready, and what the API looks like.
const OPEN: [&str; 3] = ["/health/live", "/health/ready", "/openapi.json"];

/// Routes whose requests prove by a signature where they come from, whoever delivers them: their handlers check it. A front may
/// leave them out.
pub const SIGNED: [&str; 3] = ["/messages", "/messages/pictures", "/sns"];

pub(super) async fn authenticate(State(callers): State<Callers>, mut request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) || SIGNED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let vouched = request.extensions().get::<Caller>().cloned();
    match callers.identify(request.headers(), vouched).await {
        Ok(caller) => {
            if let (Some(caller), Some(context)) = (caller, request.extensions_mut().get_mut::<Context>()) {
                context.caller = caller;
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

impl Callers {
    /// `None` where nobody is asked who they are.
    async fn identify(&self, headers: &HeaderMap, vouched: Option<Caller>) -> Result<Option<Caller>> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let wanted = |what| Error::new(Kind::Unauthenticated, what);
        let caller = match self {
            Callers::Anybody => return Ok(None),
            Callers::Vouched => vouched.ok_or_else(|| wanted("sign the request, as this front asks its callers to"))?,
            Callers::Keys(keys) => sent
                .and_then(|key| known(keys, key))
                .ok_or_else(|| wanted("send a valid key as `Authorization: Bearer KEY`"))?,
            Callers::Tokens(verify) => {
                let token = sent.and_then(|token| std::str::from_utf8(token).ok());
                verify.verify(token.ok_or_else(|| wanted("send a token as `Authorization: Bearer TOKEN`"))?).await?
            }
        };
        Ok(Some(caller))
    }
}

/// Compares hashes in constant time, against every key, so that timing tells neither the key nor its place.
fn known(keys: &[SecretString], token: &[u8]) -> Option<Caller> {
    let token = Sha256::digest(token);
    keys.iter().fold(None, |found, key| {
        let key = Sha256::digest(key.expose_secret().as_bytes());
        let same: bool = key.ct_eq(&token).into();
        if same {
            Some(Caller(format!("key-{}", data_encoding::HEXLOWER.encode(key.get(..4).unwrap_or_default()))))
        } else {
            found
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_caller() {
        let keys: Vec<SecretString> = vec!["one".into(), "two".into()];
        assert!(known(&keys, b"two").is_some());
        assert_ne!(known(&keys, b"one"), known(&keys, b"two"));
        assert_eq!(known(&keys, b"three"), None);
        assert_eq!(known(&keys, b""), None);
    }
}
