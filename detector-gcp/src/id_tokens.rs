//! Who calls, by Google's ID tokens.
//!
//! # Layout, in reading order
//! Below are the rules for a token and for its holder. `keys` keeps Google's public keys, `key_server` fetches them,
//! `ring_provider` checks a signature. `docs/decisions/id-tokens.md` says why Google's own verifier is not used.

mod key_server;
mod keys;
mod ring_provider;

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    http::Verify,
    request::Caller,
};
use jsonwebtoken::{
    Algorithm, Validation, decode, decode_header,
    errors::{Error as TokenError, ErrorKind},
    get_current_timestamp,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use self::{key_server::GoogleKeys, keys::Keys};

/// Both are Google's; which one a token has depends on how it was asked for.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far our clock and Google's may be apart, in seconds.
const SKEW: u64 = 60;
/// Google's tokens have about a kilobyte.
const LONGEST_TOKEN: usize = 8 * 1024;

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
///
/// # Behavior
/// - A token is right when it is signed with RS256 by one of Google's keys, issued by Google, for exactly one audience that
///   is ours, issued and valid now, give or take 60 s.
/// - Its holder may call when it names a verified email that is among the accounts.
/// - The caller is named by a hash of the email, so that neither logs nor analyses hold the email.
#[derive(Debug)]
pub struct IdTokens {
    rules: Validation,
    accounts: Vec<String>,
    keys: Keys,
}

/// What is read from a token besides what [`Validation`] checks.
#[derive(Deserialize)]
struct Claims {
    /// One text each: a list would make one token good for several services, and Google never writes one.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(rename = "aud")]
    _audience: String,
    #[serde(rename = "iat")]
    issued_at: u64,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
}

impl IdTokens {
    /// Nothing is fetched before the first token.
    ///
    /// # Errors
    /// `invalid_request` where no audience or no account is named, or where the keys would come over a plain connection from
    /// another machine.
    pub fn new(audience: &Audience) -> Result<Self> {
        if audience.audiences.is_empty() || audience.accounts.is_empty() {
            return Err(Error::new(Kind::InvalidRequest, "ID tokens need an audience and an account that may call"));
        }
        ring_provider::install();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = SKEW;
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.set_issuer(&ISSUERS);
        rules.set_audience(&audience.audiences);
        let keys = Keys::new(GoogleKeys::new(audience.keys_url.as_ref())?);
        Ok(Self { rules, accounts: audience.accounts.clone(), keys })
    }
}

#[async_trait]
impl Verify for IdTokens {
    async fn verify(&self, token: &str) -> Result<Caller> {
        let key = self.keys.find(&key_id(token)?).await?;
        let key = key.ok_or_else(|| wrong("the token is not signed with a key of Google's"))?;
        let claims = decode::<Claims>(token, &key, &self.rules).map_err(classify)?.claims;
        if claims.issued_at > get_current_timestamp().saturating_add(SKEW) {
            return Err(wrong("the token is not valid yet"));
        }
        self.holder(&claims)
    }
}

impl IdTokens {
    fn holder(&self, claims: &Claims) -> Result<Caller> {
        let no = |what| Error::new(Kind::Forbidden, what);
        let email = claims.email.as_str().ok_or_else(|| no("the token names no email; ask for one with it"))?;
        if claims.email_verified != Value::Bool(true) {
            return Err(no("the token's email is not verified"));
        }
        if !self.accounts.iter().any(|account| account == email) {
            return Err(no("this account may not call"));
        }
        let hash = Sha256::digest(email.as_bytes());
        Ok(Caller(format!("account-{}", data_encoding::HEXLOWER.encode(hash.get(..4).unwrap_or_default()))))
    }
}

/// Which key a token says it is signed with. Nothing in it is believed before its signature was checked; what could not be
/// accepted anyway does not get as far as the keys.
fn key_id(token: &str) -> Result<String> {
    if token.len() > LONGEST_TOKEN {
        return Err(wrong("the token is too long"));
    }
    let header = decode_header(token).map_err(classify)?;
    if header.alg != Algorithm::RS256 {
        return Err(wrong("the token is not signed with RS256"));
    }
    // Extensions that have to be understood, and are not (RFC 7515, 4.1.11).
    if header.crit.is_some() {
        return Err(wrong("the token has critical extensions"));
    }
    header.kid.ok_or_else(|| wrong("the token does not name its key"))
}

fn classify(error: TokenError) -> Error {
    let what = match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is not issued by Google",
        _ => "the token is not a valid ID token",
    };
    wrong(what).because(error)
}

fn wrong(what: &'static str) -> Error {
    Error::new(Kind::Unauthenticated, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(audiences: &[&str], accounts: &[&str], keys_url: &str) -> Audience {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Audience { audiences: owned(audiences), accounts: owned(accounts), keys_url: keys_url.parse().ok() }
    }

    #[test]
    fn nobody_is_let_in_by_an_empty_list() {
        for (audiences, accounts) in [(&["https://a"][..], &[][..]), (&[], &["a@b"]), (&[], &[])] {
            let error = IdTokens::new(&audience(audiences, accounts, "")).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
        }
    }

    #[test]
    fn keys_come_encrypted_or_from_this_machine() {
        let new = |url| IdTokens::new(&audience(&["https://a"], &["a@b"], url)).map(drop);
        for url in ["", "https://keys.example/certs", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/"] {
            assert!(new(url).is_ok(), "{url}");
        }
        for url in ["http://keys.example/", "http://10.0.0.1/", "http://127.0.0.1.example/", "file:///keys"] {
            assert_eq!(new(url).unwrap_err().kind(), Kind::InvalidRequest, "{url}");
        }
    }
}
