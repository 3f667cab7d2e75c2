//! Who may call: holders of a key, of which only the hash is known here, each within its limit.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use common::error::{Error, Kind, Result};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::config::Config;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Everybody who may call.
pub(crate) struct Keys {
    keys: Vec<([u8; 32], Arc<Holder>)>,
}

/// Whose key it is.
pub(crate) struct Holder {
    pub(crate) name: String,
    per_minute: Option<NonZeroU32>,
    limiter: Option<Limiter>,
}

/// What is left to a caller: the two headers of the IETF draft `draft-ietf-httpapi-ratelimit-headers`.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    policy: HeaderValue,
    limit: HeaderValue,
}

impl Allowance {
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.insert(POLICY, self.policy);
        headers.insert(LIMIT, self.limit);
    }
}

impl Keys {
    /// Those of the configuration; who stays and has the same limit keeps what is used up of it.
    pub(crate) fn new(config: &Config, before: Option<&Keys>) -> Self {
        let mut holders: Vec<Arc<Holder>> = Vec::new();
        let mut keys = Vec::new();
        for key in &config.keys {
            let Ok(hash) = data_encoding::HEXLOWER_PERMISSIVE.decode(key.sha256.as_bytes()) else { continue };
            let Ok(hash) = <[u8; 32]>::try_from(hash) else { continue };
            let per_minute = key.per_minute.and_then(NonZeroU32::new);
            let same = |holder: &&Arc<Holder>| holder.name == key.name && holder.per_minute == per_minute;
            let known = holders.iter().find(same).cloned();
            let known = known.or_else(|| before?.keys.iter().map(|(_, holder)| holder).find(same).cloned());
            let holder = known.unwrap_or_else(|| Arc::new(Holder::new(key.name.clone(), per_minute)));
            holders.push(holder.clone());
            keys.push((hash, holder));
        }
        Self { keys }
    }

    /// Whose key the request has; `None` where everybody may call. All hashes are compared, in constant time.
    pub(crate) fn holder(&self, headers: &HeaderMap) -> Result<Option<&Arc<Holder>>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let sent = sent.map(Sha256::digest);
        let found = self.keys.iter().fold(None, |found, (hash, holder)| {
            let same = sent.as_ref().is_some_and(|sent| bool::from(hash.ct_eq(sent.as_slice())));
            if same { Some(holder) } else { found }
        });
        let wanted = || Error::new(Kind::Unauthenticated, "send a valid key as `Authorization: Bearer KEY`");
        found.ok_or_else(wanted).map(Some)
    }
}

impl Holder {
    fn new(name: String, per_minute: Option<NonZeroU32>) -> Self {
        let limiter = per_minute
            .map(|limit| RateLimiter::direct(Quota::per_minute(limit)).with_middleware::<StateInformationMiddleware>());
        Self { name, per_minute, limiter }
    }

    /// One more request, and what is left then; `Err` with the time to wait where it is one too many.
    pub(crate) fn take(&self) -> std::result::Result<Option<Allowance>, (Allowance, Duration)> {
        let (Some(limiter), Some(limit)) = (&self.limiter, self.per_minute) else { return Ok(None) };
        let period = Duration::from_secs(60) / limit.get();
        match limiter.check() {
            Ok(state) => Ok(Some(self.allowance(limit, state.remaining_burst_capacity(), period))),
            Err(early) => {
                let wait = early.wait_time_from(DefaultClock::default().now());
                Err((self.allowance(limit, 0, wait), wait))
            }
        }
    }

    fn allowance(&self, limit: NonZeroU32, left: u32, next: Duration) -> Allowance {
        let name = &self.name;
        let seconds = next.as_secs_f64().ceil().max(1.0);
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        Allowance {
            policy: value(format!("\"{name}\";q={limit};w=60")),
            limit: value(format!("\"{name}\";r={left};t={seconds}")),
        }
    }
}

/// A new key: what the caller gets, and what the configuration says of it.
pub(crate) fn made(name: &str) -> (String, String) {
    // Two of them are 244 random bits.
    let key = format!("ck_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&key));
    (key, format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn keys(text: &str) -> Keys {
        let clouds = "[[clouds]]\nname = \"aws\"\n[[clouds.colours]]\nname = \"blue\"\nurl = \"http://127.0.0.1:1\"\n";
        let origin = Origin::new(None, Default::default());
        Keys::new(&Config::parse(&format!("{text}{clouds}"), &origin).unwrap(), None)
    }

    fn sent(key: &str) -> HeaderMap {
        [(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_key_that_was_made_is_known_by_its_hash_and_no_other_is() {
        let (key, section) = made("shop");
        let keys = keys(&section);
        assert_eq!(keys.holder(&sent(&key)).unwrap().unwrap().name, "shop");
        for other in ["", "ck_", &key[1..], &section] {
            assert!(other.contains('\n') || keys.holder(&sent(other)).is_err(), "{other}");
        }
        assert!(keys.holder(&HeaderMap::new()).is_err());
    }

    #[test]
    fn more_than_its_limit_is_refused_with_the_time_to_wait() {
        let (key, section) = made("shop");
        let keys = keys(&format!("{section}per_minute = 2\n"));
        let holder = keys.holder(&sent(&key)).unwrap().unwrap();
        let mut headers = HeaderMap::new();
        holder.take().ok().flatten().unwrap().put(&mut headers);
        assert_eq!(
            (&headers["ratelimit-policy"], &headers["ratelimit"]),
            (&HeaderValue::from_static("\"shop\";q=2;w=60"), &HeaderValue::from_static("\"shop\";r=1;t=30"),)
        );
        assert!(holder.take().is_ok());
        assert!(holder.take().is_err_and(|(_, wait)| wait > Duration::from_secs(1)));
    }
}
