//! Asks once for what several want at the same time, and remembers the last answers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use quick_cache::sync::Cache;

use crate::{
    analysis::{Detection, DetectorId, Features},
    error::Result,
    image::{Digest, Image},
    ports::Detect,
};

/// A detector with single flight and a bounded cache by digest and features. Failures are not remembered: each waiting
/// call then asks for itself.
pub struct Cached {
    inner: Arc<dyn Detect>,
    answers: Cache<(Digest, Features), Detection>,
}

impl Cached {
    /// Remembers the last `capacity` answers.
    pub fn new(inner: Arc<dyn Detect>, capacity: usize) -> Self {
        Self { inner, answers: Cache::new(capacity) }
    }
}

#[async_trait]
impl Detect for Cached {
    fn id(&self) -> Option<DetectorId> {
        self.inner.id()
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let key = (image.digest(), features.clone());
        let answer = self.answers.get_or_insert_async(&key, self.inner.detect(image, features, time_left)).await?;
        // Where one of several may have answered, another can tell more the next time.
        if self.inner.id().is_none() && !answer.findings.unsupported.is_empty() {
            self.answers.remove(&key);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        analysis::Findings,
        error::{Error, Kind},
    };

    /// Counts its calls and fails the first `failures` of them.
    struct Counting {
        calls: AtomicUsize,
        failures: usize,
    }

    #[async_trait]
    impl Detect for Counting {
        fn id(&self) -> Option<DetectorId> {
            Some(DetectorId { provider: "test".into(), model: "1".into() })
        }

        async fn detect(&self, _: &Image, _: &Features, _: Duration) -> Result<Detection> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if call < self.failures {
                return Err(Error::new(Kind::DetectorFailed, "once"));
            }
            Ok(Detection { detector: self.id().unwrap(), findings: Findings::default() })
        }
    }

    fn image(bytes: &'static [u8]) -> Image {
        Image::never_decoded(bytes)
    }

    #[tokio::test]
    async fn the_same_image_at_the_same_time_is_asked_once() {
        let inner = Arc::new(Counting { calls: AtomicUsize::new(0), failures: 0 });
        let cached = Cached::new(inner.clone(), 10);
        let (features, image) = (Features::default(), image(b"one"));
        let calls = (0..50).map(|_| cached.detect(&image, &features, Duration::from_secs(1)));
        for answer in futures_util::future::join_all(calls).await {
            answer.unwrap();
        }
        assert_eq!(inner.calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let inner = Arc::new(Counting { calls: AtomicUsize::new(0), failures: 1 });
        let cached = Cached::new(inner.clone(), 10);
        let (features, image) = (Features::default(), image(b"one"));
        assert!(cached.detect(&image, &features, Duration::from_secs(1)).await.is_err());
        assert!(cached.detect(&image, &features, Duration::from_secs(1)).await.is_ok());
        assert_eq!(inner.calls.load(Ordering::SeqCst), 2);
    }
}
