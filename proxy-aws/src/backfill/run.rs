//! Sending a job's objects, step by step; after each step it is written down how far it is.
//!
//! A process that dies between sending a step and writing it down sends that step again: the ledger forgives it.

use common::{error::Result, request::ImageId};
use tokio::time::{Instant, sleep};

use super::{
    Job, Jobs, Known, Listed, Listing, Queue, State,
    pace::{LOOK, Pace},
    plan::{self, Verdict},
};

/// One process's work on a job that it holds.
pub struct Run<'a> {
    /// What there is.
    pub listing: &'a mut dyn Listing,
    /// What has an outcome.
    pub known: &'a dyn Known,
    /// Where objects go.
    pub queue: &'a dyn Queue,
    /// Where the job is remembered.
    pub jobs: &'a dyn Jobs,
}

/// Why sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything was sent.
    Done,
    /// The next object would bring the estimate above the budget.
    Budget,
    /// The sample is full: the ids of its images. The job is still held.
    Sampled(Vec<ImageId>),
    /// The operator wanted it otherwise.
    Stopped(State),
}

/// What is to be done with some objects.
struct Step {
    send: Vec<Listed>,
    after: Job,
    end: Option<Ended>,
}

impl Run<'_> {
    /// Sends what the job has left, or only a sample of so many images, and tells `told` how far it is. Lets the job go
    /// unless a sample is full; after an error it is paused.
    pub async fn send(
        &mut self,
        job: &mut Job,
        sample: Option<usize>,
        told: &mut (dyn FnMut(&Job) + Send),
    ) -> Result<Ended> {
        let ended = self.pages(job, sample, told).await;
        let last = match &ended {
            Ok(Ended::Sampled(_)) => return ended,
            Ok(Ended::Done) => State::Done,
            Ok(Ended::Stopped(state)) => *state,
            Ok(Ended::Budget) | Err(_) => State::Paused,
        };
        let released = self.jobs.release(job, last).await;
        // What went wrong first says more than what followed from it.
        ended.and_then(|ended| released.map(|()| ended))
    }

    async fn pages(
        &mut self,
        job: &mut Job,
        sample: Option<usize>,
        told: &mut (dyn FnMut(&Job) + Send),
    ) -> Result<Ended> {
        let mut pace = Pace::new(job.options.rate, job.options.ahead);
        let mut sampled = sample.map(Vec::with_capacity);
        let mut since = Instant::now();
        loop {
            let page = self.listing.page(job.cursor.as_deref()).await?;
            let mut rest = page.objects.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(pace.step().min(rest.len()));
                let room = sample.zip(sampled.as_ref()).map(|(most, ids)| most.saturating_sub(ids.len()));
                let step = self.plan(job, now, room).await?;
                let count = step.send.len() as u64;
                while count > 0 && !pace.room(self.queue, count).await? {
                    let wanted = self.jobs.save(job).await?;
                    if wanted != State::Running {
                        return Ok(Ended::Stopped(wanted));
                    }
                    told(job);
                    sleep(LOOK).await;
                }
                if count > 0 {
                    pace.wait(count).await;
                    self.queue.send(&step.send).await?;
                }
                if let Some(ids) = &mut sampled {
                    ids.extend(step.send.iter().map(plan::id));
                }
                *job = step.after;
                let took = since.elapsed().as_millis();
                since = Instant::now();
                job.sending_ms += u64::try_from(took).unwrap_or_default();
                let wanted = self.jobs.save(job).await?;
                told(job);
                match step.end {
                    Some(Ended::Sampled(_)) => return Ok(Ended::Sampled(sampled.unwrap_or_default())),
                    Some(end) => return Ok(end),
                    None if wanted != State::Running => return Ok(Ended::Stopped(wanted)),
                    None => rest = later,
                }
            }
            match page.next {
                Some(next) => job.cursor = Some(next),
                // Fewer images than a sample would have are a sample as well.
                None if sampled.as_ref().is_some_and(|ids| !ids.is_empty()) => {
                    return Ok(Ended::Sampled(sampled.unwrap_or_default()));
                }
                None => return Ok(Ended::Done),
            }
        }
    }

    /// Goes through objects until the sample is full or the budget is spent.
    async fn plan(&self, job: &Job, objects: &[Listed], room: Option<usize>) -> Result<Step> {
        let verdicts = plan::judge(objects, &job.options, self.known).await?;
        let mut step = Step { send: Vec::new(), after: job.clone(), end: None };
        for (listed, verdict) in objects.iter().zip(verdicts) {
            let mut counts = step.after.counts;
            counts.add(listed, verdict);
            if verdict == Verdict::Send {
                if room.is_some_and(|room| step.send.len() >= room) {
                    step.end = Some(Ended::Sampled(Vec::new()));
                    break;
                }
                if job.options.budget.is_some_and(|budget| job.bill(&counts).total() > budget) {
                    step.end = Some(Ended::Budget);
                    break;
                }
                step.send.push(listed.clone());
            }
            step.after.counts = counts;
            step.after.cursor = Some(listed.after.clone());
        }
        step.after.spent = job.bill(&step.after.counts).total();
        Ok(step)
    }
}

#[cfg(test)]
pub(super) mod fakes;

#[cfg(test)]
mod tests;
