//! A bucket, a ledger, a queue and a table in memory, for the unit tests of a backfill.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    request::{ImageId, ObjectRef},
};

use crate::backfill::{Job, Jobs, Known, Listed, Listing, Page, Queue, State};

pub(in crate::backfill) fn listed(key: &str, bytes: u64) -> Listed {
    let object = ObjectRef { bucket: "b".to_owned(), key: key.to_owned(), version: None, etag: "e".to_owned() };
    Listed { object, bytes, archived: false, after: key.to_owned() }
}

/// So many objects, seven on a page.
pub(super) struct Objects(pub(super) usize);

#[async_trait]
impl Listing for Objects {
    async fn page(&mut self, after: Option<&str>) -> Result<Page> {
        let from = after.map_or(0, |after| after.parse::<usize>().unwrap() + 1);
        let until = (from + 7).min(self.0);
        let objects: Vec<Listed> = (from..until).map(|number| listed(&format!("{number:05}"), 10)).collect();
        let next = objects.last().filter(|_| until < self.0).map(|last| last.after.clone());
        Ok(Page { objects, next })
    }
}

/// A ledger that knows nothing.
pub(in crate::backfill) struct Nothing;

#[async_trait]
impl Known for Nothing {
    async fn recorded(&self, _: &[ImageId]) -> Result<HashSet<ImageId>> {
        Ok(HashSet::new())
    }
}

/// Remembers what was sent; fails from a number of objects on, and may be worked off as fast as it is asked.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) keys: Mutex<Vec<String>>,
    pub(super) waiting: AtomicU64,
    pub(super) deepest: AtomicU64,
    pub(super) broken_from: Option<usize>,
}

#[async_trait]
impl Queue for Sent {
    async fn send(&self, objects: &[Listed]) -> Result<()> {
        let mut keys = self.keys.lock().unwrap();
        if self.broken_from.is_some_and(|from| keys.len() + objects.len() > from) {
            return Err(Error::new(Kind::Unavailable, "no queue"));
        }
        keys.extend(objects.iter().map(|listed| listed.object.key.clone()));
        let depth = self.waiting.fetch_add(objects.len() as u64, Ordering::SeqCst) + objects.len() as u64;
        self.deepest.fetch_max(depth, Ordering::SeqCst);
        Ok(())
    }

    async fn depth(&self) -> Result<u64> {
        let waiting = self.waiting.load(Ordering::SeqCst);
        self.waiting.store(waiting.saturating_sub(3), Ordering::SeqCst);
        Ok(waiting)
    }
}

/// Remembers the last word, and orders a state once so many objects were dealt with.
#[derive(Default)]
pub(super) struct Table {
    pub(super) last: Mutex<Option<(Job, Option<State>)>>,
    pub(super) order: Option<(u64, State)>,
}

#[async_trait]
impl Jobs for Table {
    async fn save(&self, job: &Job) -> Result<State> {
        *self.last.lock().unwrap() = Some((job.clone(), None));
        Ok(match self.order {
            Some((from, state)) if job.counts.listed >= from => state,
            _ => State::Running,
        })
    }

    async fn release(&self, job: &Job, state: State) -> Result<()> {
        *self.last.lock().unwrap() = Some((job.clone(), Some(state)));
        Ok(())
    }
}
