//! Trying again for somebody who waits.

use std::time::Duration;

use crate::error::{Error, Result, Retry};

/// Before each try. A person waits for the answer, and says it again later where there is none.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(800), Duration::from_millis(2400)];

/// Tries what may be done twice until it succeeds, cannot succeed, or has been tried for long enough.
pub async fn patiently<T, F: Future<Output = Result<T>>>(mut work: impl FnMut() -> F) -> Result<T> {
    let mut last: Option<Error> = None;
    for pause in PAUSES {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match work().await {
            Err(error) if error.retry() == Retry::Later => last = Some(error),
            done => return done,
        }
    }
    Err(last.map_or_else(|| crate::error::internal("nothing was tried"), |error| error.with_retry(Retry::Exhausted)))
}
