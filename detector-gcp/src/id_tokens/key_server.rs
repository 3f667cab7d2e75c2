//! Fetching Google's public keys: one request, what it may take, and what its answer is worth.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use common::error::{Error, Kind, Result, internal};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::DecodingKey;
use reqwest::{Client, Response, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use super::keys::{KeyServer, KeySet};

/// Where Google publishes the keys of its ID tokens (`jwks_uri` of its OpenID configuration).
const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";
const TIMEOUT: Duration = Duration::from_secs(3);
/// Google's answer has less than two kilobytes.
const LARGEST: usize = 64 * 1024;

/// How long keys live where their server does not say.
const USUAL_LIFE: Duration = Duration::from_secs(60 * 60);
/// However short a life the server names, it is not asked more often than this.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// However long a life the server names, a withdrawn key is gone after this.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Google's key server, or another one with the same answer.
#[derive(Debug)]
pub(super) struct GoogleKeys {
    client: Client,
    url: Url,
}

impl GoogleKeys {
    pub(super) fn new(url: Option<&Url>) -> Result<Self> {
        let url = url.cloned().map_or_else(|| GOOGLE.parse().map_err(internal), Ok)?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(Error::new(Kind::InvalidRequest, "google_keys_url: https, or http on this machine"));
        }
        common::http::use_ring();
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            // Used a few times a day: a connection kept that long would be found broken.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(internal)?;
        Ok(Self { client, url })
    }
}

#[async_trait]
impl KeyServer for GoogleKeys {
    async fn fetch(&self) -> Result<KeySet> {
        let response = self.client.get(self.url.clone()).send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(failed(format!("status {}", response.status())));
        }
        let life = life(response.headers());
        Ok(KeySet { keys: read(&body(response).await?)?, life })
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len().saturating_add(chunk.len()) > LARGEST {
            return Err(failed("the answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `Cache-Control`, less the `Age` that a cache on the way says the answer already has.
fn life(headers: &HeaderMap) -> Duration {
    let texts = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        texts.flat_map(|text| text.split(',')).map(|text| text.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return SHORTEST_LIFE;
    }
    let seconds = |text: &str| text.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
    let max_age = directives.iter().find_map(|directive| seconds(directive.strip_prefix("max-age=")?));
    let age = headers.get(header::AGE).and_then(|value| seconds(value.to_str().ok()?)).unwrap_or_default();
    max_age.map_or(USUAL_LIFE, |life| life.saturating_sub(age)).clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<Value>,
}

/// A key as RFC 7517 writes it.
#[derive(Deserialize)]
struct Key {
    kty: String,
    r#use: String,
    alg: String,
    kid: String,
    n: String,
    e: String,
}

/// The keys that tokens may be signed with; others in the list are none of ours. A list without any is a failure, so that it
/// does not replace keys that work.
fn read(body: &[u8]) -> Result<HashMap<String, DecodingKey>> {
    let listed: Listed = serde_json::from_slice(body).map_err(failed)?;
    let keys: HashMap<String, DecodingKey> = listed.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() { Err(failed("the answer has no RS256 key")) } else { Ok(keys) }
}

fn usable(key: Value) -> Option<(String, DecodingKey)> {
    let key: Key = serde_json::from_value(key).ok()?;
    let ours = key.kty == "RSA" && key.r#use == "sig" && key.alg == "RS256";
    ours.then(|| DecodingKey::from_rsa_components(&key.n, &key.e).ok()).flatten().map(|read| (key.kid, read))
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "Google's keys cannot be fetched").because(cause)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_life_of_keys_is_what_their_server_says_within_bounds() {
        let check = |headers: &[(&'static str, &'static str)], seconds: u64| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(life(&map), Duration::from_secs(seconds), "{headers:?}");
        };
        check(&[], 3600);
        check(&[("cache-control", "public")], 3600);
        check(&[("cache-control", "max-age=later")], 3600);
        check(&[("cache-control", "public, max-age=19945, must-revalidate, no-transform")], 19_945);
        check(&[("cache-control", "public"), ("cache-control", "Max-Age=\"300\"")], 300);
        check(&[("cache-control", "max-age=300"), ("age", "100")], 200);
        check(&[("cache-control", "max-age=300"), ("age", "nonsense")], 300);
        check(&[("cache-control", "max-age=300"), ("age", "900")], 1);
        check(&[("cache-control", "max-age=0")], 1);
        check(&[("cache-control", "s-maxage=7")], 3600);
        check(&[("cache-control", "no-store, max-age=300")], 1);
        check(&[("cache-control", "max-age=18446744073709551615")], 86_400);
    }

    #[test]
    fn only_rs256_keys_are_taken() {
        let good = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "good", "n": "xcXF", "e": "AQAB"});
        let with = |field: &str, value: Value| {
            let mut key = good.clone();
            key[field] = value;
            key["kid"] = if field == "kid" { key["kid"].clone() } else { json!("bad") };
            key
        };
        let bad = vec![
            with("kty", json!("oct")),
            with("use", json!("enc")),
            with("use", json!(null)),
            with("alg", json!("HS256")),
            with("alg", json!("RS512")),
            with("kid", json!(7)),
            with("n", json!("not base64url!")),
            with("e", json!(null)),
            json!("a text"),
            json!(null),
        ];
        let list = |keys: &[Value]| read(json!({ "keys": keys }).to_string().as_bytes());
        let taken = list(&[&bad[..], &[good]].concat()).unwrap();
        assert_eq!(taken.keys().collect::<Vec<_>>(), ["good"]);
        assert_eq!(list(&bad).unwrap_err().kind(), Kind::Unavailable);
        for text in ["", "[]", "{}", "null", "{\"keys\": {}}", "<html>"] {
            assert_eq!(read(text.as_bytes()).unwrap_err().kind(), Kind::Unavailable, "{text}");
        }
    }
}
