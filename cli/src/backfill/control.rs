//! Looking at jobs, and stopping them.

use std::{process::ExitCode, time::Duration};

use common::error::{Error, Kind, Result};
use proxy_aws::backfill::{Queue, Seen, State};
use serde_json::json;

use super::{Place, Stack, words};
use crate::{
    config::Settings,
    lines::{print, printable},
};

/// How often a job is looked at that should stop, and how many times.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 180;

pub(super) async fn status(name: Option<&str>, place: &Place, settings: &Settings) -> Result<ExitCode> {
    let stack = Stack::open(place, settings).await?;
    let jobs: Vec<Seen> =
        stack.jobs.all().await?.into_iter().filter(|seen| name.is_none_or(|name| seen.job.name == name)).collect();
    if let (Some(name), true) = (name, jobs.is_empty()) {
        return Err(unknown(name));
    }
    let waiting = stack.queue.depth().await?;
    for seen in &jobs {
        let line = if place.json { json(seen, waiting) } else { line(seen, waiting) };
        if print(&line)?.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !place.json {
        let _ = print(&format!("{waiting} messages wait in the queue"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn pause(name: &str, place: &Place, settings: &Settings) -> Result<ExitCode> {
    let stack = Stack::open(place, settings).await?;
    stack.jobs.order(name, State::Paused).await?;
    let stopped = stopped(&stack, name).await?;
    let text = if stopped { "paused" } else { "it will pause when its process has sent what it is sending" };
    let _ = print(&format!("{}: {text}; what is in the queue is still worked off", printable(name)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(name: &str, place: &Place, settings: &Settings) -> Result<ExitCode> {
    let stack = Stack::open(place, settings).await?;
    stack.jobs.order(name, State::Cancelled).await?;
    // What is sent after the queue was emptied would be worked on.
    if !stopped(&stack, name).await? {
        let message = "the job's process has not stopped yet; the queue was not emptied, call `cancel` again";
        return Err(Error::new(Kind::Unavailable, message));
    }
    stack.queue.purge().await?;
    let _ =
        print(&format!("{}: cancelled, and the queue is emptied, of other jobs' messages as well", printable(name)))?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the process that holds a job to let it go.
async fn stopped(stack: &Stack, name: &str) -> Result<bool> {
    for _ in 0..LOOKS {
        let jobs = stack.jobs.all().await?;
        if !jobs.iter().any(|seen| seen.job.name == name && seen.held) {
            return Ok(true);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(false)
}

fn state(seen: &Seen) -> &'static str {
    match seen.state {
        State::Running if !seen.held => "interrupted",
        state => state.name(),
    }
}

fn json(seen: &Seen, waiting: u64) -> String {
    let job = &seen.job;
    json!({
        "job": job.name, "source": job.source, "state": state(seen), "counts": job.counts, "total": job.total,
        "spent": job.spent, "budget": job.options.budget, "begun": job.begun, "waiting": waiting,
        "secondsLeft": job.time_left(waiting).map(|left| left.as_secs()),
    })
    .to_string()
}

fn line(seen: &Seen, waiting: u64) -> String {
    let job = &seen.job;
    let total = job.total.unwrap_or_default();
    let mut line = format!("{}  {}  {} of {} images sent", job.name, state(seen), job.counts.sent, total.sent);
    if job.counts.known > 0 {
        line += &format!(", {} known", job.counts.known);
    }
    line += &format!("  ${:.2}", job.spent);
    if let (State::Running, Some(left)) = (seen.state, job.time_left(waiting)) {
        line += &format!("  {} left", words::time(left));
    }
    printable(&line)
}

fn unknown(name: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no job {}", printable(name)))
}
