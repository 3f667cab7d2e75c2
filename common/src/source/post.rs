//! Handing something to a URL of somebody else's, behind the same address check as fetching from one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use tokio::time::timeout;

use super::{Resolve, SourcePolicy, SourceUrl, answer::retry_after, guarded::Guarded};
use crate::error::{Error, Kind, Result, Retry};

/// Posts by a policy. Follows no redirect. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GuardedPost {
    guarded: Guarded,
    patience: Duration,
}

/// What a receiver said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// How long it wants to be left alone, where it said so; at most a day.
    pub retry_after: Option<Duration>,
}

impl GuardedPost {
    /// Posts that take at most `patience` each; an error where this machine's root certificates cannot be read.
    pub fn new(policy: SourcePolicy, patience: Duration, resolver: Arc<dyn Resolve>) -> Result<Self> {
        Ok(Self { guarded: Guarded::new(policy, patience, resolver)?, patience })
    }

    /// Posts; an answer of any status is no error, and its body is not read.
    ///
    /// # Errors
    /// `source-blocked` where the policy does not let anybody connect (a name may have other addresses later, so this may pass),
    /// `unavailable` where nobody answers in time.
    pub async fn post(&self, url: &SourceUrl, headers: HeaderMap, body: Bytes) -> Result<Answered> {
        let late = |_| Error::new(Kind::Unavailable, "the target did not answer in time");
        let post = self.guarded.send(Method::POST, url, |request| request.headers(headers).body(body));
        let answer = timeout(self.patience, post).await.map_err(late)?.map_err(|error| match error.kind() {
            Kind::SourceBlocked => error.with_retry(Retry::Later),
            _ => error,
        })?;
        Ok(Answered { status: answer.status(), retry_after: retry_after(answer.headers(), Timestamp::now()) })
    }
}
