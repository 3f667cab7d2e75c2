//! Who may call: nobody by default.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::header;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Context;
use crate::{
    error::{Error, Kind},
    request::Caller,
};

/// Who may call.
#[derive(Debug, Clone)]
pub enum Callers {
    /// Everybody who reaches the listener: on loopback, or where the operator said so.
    Anybody,
    /// Who sends one of these keys as `Authorization: Bearer KEY`.
    Keys(Arc<[SecretString]>),
}

/// What strangers may read: that we live, whether we are ready, and what the API looks like.
const OPEN: [&str; 3] = ["/health/live", "/health/ready", "/openapi.json"];

pub(super) async fn authenticate(State(callers): State<Callers>, mut request: Request, next: Next) -> Response {
    let Callers::Keys(keys) = callers else { return next.run(request).await };
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let token =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let Some(caller) = token.and_then(|token| known(&keys, token)) else {
        let message = "send a valid key as `Authorization: Bearer KEY`";
        return Error::new(Kind::Unauthenticated, message).into_response();
    };
    if let Some(context) = request.extensions_mut().get_mut::<Context>() {
        context.caller = caller;
    }
    next.run(request).await
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
