//! Admission control: so many requests work at a time, so many wait, and the rest hear at once when to come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::gauge;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::body::Bodies;
use crate::error::{Error, Kind, Result, internal};

/// A bounded number of workers, a bounded queue before them, and the memory of their bodies. Clones share all three.
#[derive(Debug, Clone)]
pub struct Admission {
    working: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
    bodies: Bodies,
}

impl Admission {
    /// `concurrency` requests work at a time and `queue` more wait.
    pub fn new(concurrency: usize, queue: usize) -> Self {
        Self {
            working: Arc::new(Semaphore::new(concurrency)),
            waiting: Arc::default(),
            queue,
            bodies: Bodies::default(),
        }
    }

    /// A place, at once or after waiting; `rate-limited` when the queue is full.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        if let Ok(permit) = self.working.try_acquire() {
            return Ok(permit);
        }
        let place = Place::take(&self.waiting);
        if place.position >= self.queue {
            return Err(Error::new(Kind::RateLimited, "too much to do; try again").after(Duration::from_secs(1)));
        }
        self.working.acquire().await.map_err(internal)
    }
}

/// A place in the queue, given back however the wait ends.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    position: usize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        gauge!("crosslens_admission_waiting").increment(1);
        Self { waiting, position: waiting.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        gauge!("crosslens_admission_waiting").decrement(1);
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(super) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    match admission.enter().await {
        Ok(_permit) => {
            request.extensions_mut().insert(admission.bodies.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_queue_is_refused_and_places_come_back() {
        let admission = Admission::new(1, 1);
        let working = admission.enter().await.unwrap();
        let queued = tokio::spawn({
            let admission = admission.clone();
            async move { admission.enter().await.map(drop) }
        });
        while admission.waiting.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(admission.enter().await.unwrap_err().kind(), Kind::RateLimited);
        drop(working);
        queued.await.unwrap().unwrap();
        assert_eq!(admission.waiting.load(Ordering::Acquire), 0);
        drop(admission.enter().await.unwrap());
    }
}
