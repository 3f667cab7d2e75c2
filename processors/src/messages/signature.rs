//! Twilio's signature: HMAC-SHA1 by the account's token over the public URL and the sorted parameters of a form; a body that is no
//! form stands in the URL as its SHA-256 (<https://www.twilio.com/docs/usage/security#validating-requests>). Pure.

mod url;

use std::{collections::BTreeMap, fmt};

use common::error::{Error, Kind, Result};
use data_encoding::{BASE64, HEXLOWER};
use ring::{digest, hmac};
use secrecy::{ExposeSecret, SecretString};

pub use self::url::PublicUrl;

/// The header that holds it, in lower case.
pub const SIGNATURE: &str = "x-twilio-signature";
/// The parameter of the URL that holds the SHA-256 of the body, in hexadecimal digits.
const BODY_HASH: &str = "bodySHA256";
const FORM: &str = "application/x-www-form-urlencoded";

/// The token of an account. Never shown.
#[derive(Debug, Clone)]
pub struct AuthToken(SecretString);

impl AuthToken {
    /// Takes a token that is not empty.
    pub fn new(token: impl Into<String>) -> Option<Self> {
        let token: String = token.into();
        (!token.is_empty()).then(|| Self(SecretString::from(token)))
    }

    /// The token itself, for whoever signs in with it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.expose().as_bytes())
    }
}

/// What a request is, as far as its signature is about it.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// The query as it was received, without the question mark; `None` where there is no question mark.
    pub query: Option<&'a str>,
    /// The `Content-Type`; empty where there is none.
    pub content_type: &'a str,
    /// The body as it was received.
    pub body: &'a [u8],
    /// What the header says; empty where there is none.
    pub signature: &'a str,
}

/// Neither the query nor the body, which hold what people say.
impl fmt::Debug for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Checks signatures of one account for one URL. The URL is the one that is declared: what a proxy makes of the `Host` header says
/// nothing.
#[derive(Debug, Clone)]
pub struct Verifier {
    token: AuthToken,
    url: PublicUrl,
}

impl Verifier {
    /// For this account's token and the URL that it calls.
    pub fn new(token: AuthToken, url: PublicUrl) -> Self {
        Self { token, url }
    }

    /// Whether the request comes from whoever has the token.
    ///
    /// # Errors
    /// `forbidden` for every signature that is not right, without a word on why.
    pub fn verify(&self, signed: &Signed<'_>) -> Result<()> {
        let foreign = || Error::new(Kind::Forbidden, "the signature is not valid for this URL and account");
        let sent = BASE64.decode(signed.signature.as_bytes()).map_err(|_| foreign())?;
        let form = if signed.body.is_empty() {
            Form::default()
        } else if is_form(signed.content_type) {
            Form::read(signed.body)
        } else if self.is_hashed(signed) {
            Form::default()
        } else {
            return Err(foreign());
        };
        let key = self.token.key();
        // All of them are tried, so that the time tells nothing about which one it was.
        let right = self.url.candidates(signed.query).into_iter().fold(false, |right, url| {
            // Compared in constant time by ring.
            right | hmac::verify(&key, form.after(&url).as_bytes(), &sent).is_ok()
        });
        if right { Ok(()) } else { Err(foreign()) }
    }

    /// Whether the URL, which is signed, holds the hash of this body.
    fn is_hashed(&self, signed: &Signed<'_>) -> bool {
        let query = signed.query.unwrap_or_default();
        let said = ::url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == BODY_HASH);
        let hash = digest::digest(&digest::SHA256, signed.body);
        // Neither side is a secret.
        said.is_some_and(|(_, said)| said.to_ascii_lowercase() == HEXLOWER.encode(hash.as_ref()))
    }
}

/// The signature of a request to `url` with this body, as Twilio makes it.
pub fn sign(token: &AuthToken, url: &str, content_type: &str, body: &[u8]) -> String {
    let form = if is_form(content_type) { Form::read(body) } else { Form::default() };
    BASE64.encode(hmac::sign(&token.key(), form.after(url).as_bytes()).as_ref())
}

/// The query that holds the hash of a body that is no form.
pub fn hashed(body: &[u8]) -> String {
    format!("{BODY_HASH}={}", HEXLOWER.encode(digest::digest(&digest::SHA256, body).as_ref()))
}

fn is_form(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(FORM))
}

/// The parameters of a form: sorted by name, the values of each sorted and without repetitions.
#[derive(Default)]
struct Form(BTreeMap<String, std::collections::BTreeSet<String>>);

impl Form {
    fn read(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in ::url::form_urlencoded::parse(body) {
            form.0.entry(name.into_owned()).or_default().insert(value.into_owned());
        }
        form
    }

    /// What is signed: the URL, and each name with its value without anything in between.
    fn after(&self, url: &str) -> String {
        let mut text = url.to_owned();
        for (name, values) in &self.0 {
            for value in values {
                text.push_str(name);
                text.push_str(value);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
