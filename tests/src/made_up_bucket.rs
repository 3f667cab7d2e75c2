//! A bucket of any number of made-up objects for `proxy_aws::backfill`, with a queue and a table that only count: stand-ins for
//! S3, SQS and DynamoDB where the number is what is tested. Real servers are in `aws_servers`.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use common::{
    error::Result,
    request::{ImageId, ObjectRef},
};
use proxy_aws::backfill::{Ended, Job, Jobs, Known, Listed, Listing, Options, Page, Queue, Run, State, count};

/// As S3 has it.
const PAGE: u64 = 1000;

struct Objects(u64);

#[async_trait]
impl Listing for Objects {
    async fn page(&mut self, after: Option<&str>) -> Result<Page> {
        let from = after.and_then(|after| after.strip_prefix("photos/")?.strip_suffix(".jpg")?.parse::<u64>().ok());
        let from = from.map_or(0, |number| number + 1);
        let until = (from + PAGE).min(self.0);
        let objects: Vec<Listed> = (from..until).map(listed).collect();
        let next = objects.last().filter(|_| until < self.0).map(|last| last.after.clone());
        Ok(Page { objects, next })
    }
}

fn listed(number: u64) -> Listed {
    let key = format!("photos/{number:012}.jpg");
    let etag = format!("{number:032x}");
    let object = ObjectRef { bucket: "made-up".to_owned(), key: key.clone(), version: None, etag };
    Listed { object, bytes: 3_000_000, archived: false, after: key }
}

/// A ledger that knows every tenth object.
struct Tenths;

#[async_trait]
impl Known for Tenths {
    async fn recorded(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>> {
        Ok(ids.iter().step_by(10).cloned().collect())
    }
}

#[derive(Default)]
struct Counted {
    taken: AtomicU64,
    saved: AtomicU64,
}

#[async_trait]
impl Queue for Counted {
    async fn send(&self, objects: &[Listed]) -> Result<()> {
        self.taken.fetch_add(objects.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn depth(&self) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl Jobs for Counted {
    async fn save(&self, _: &Job) -> Result<State> {
        self.saved.fetch_add(1, Ordering::Relaxed);
        Ok(State::Running)
    }

    async fn release(&self, _: &Job, _: State) -> Result<()> {
        Ok(())
    }
}

/// Counts a bucket of so many objects and sends what it holds; checks that nothing was left out.
pub fn made_up_backfill(objects: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime can be built").block_on(backfill(objects));
}

async fn backfill(objects: u64) {
    let options = Options { budget: Some(1e9), ..Options::default() };
    let mut job = Job::new("made-up".to_owned(), "s3://made-up".parse().expect("this is a bucket"), options);
    let total = count(&mut Objects(objects), &Tenths, &job.options, |_| ()).await.expect("nothing can fail");
    job.total = Some(total);
    let counted = Counted::default();
    let mut run = Run { listing: &mut Objects(objects), known: &Tenths, queue: &counted, jobs: &counted };
    let ended = run.send(&mut job, None, &mut |_| ()).await.expect("nothing can fail");
    assert_eq!(ended, Ended::Done);
    assert_eq!((job.counts, total.listed), (total, objects));
    assert_eq!(total.known + total.sent, objects);
    assert_eq!(counted.taken.into_inner(), total.sent);
}
