//! Beginning a backfill and going on with one: count, tell the price, send a sample, ask, send the rest.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use common::{
    error::{Result, internal},
    request::ImageId,
};
use proxy_aws::backfill::{Ended, Job, Jobs, Options, Run, Sample, Source, State, count};
use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{LimitArgs, Place, STOPPED, Sending, Stack, StartArgs, progress::Progress, words};
use crate::config::Settings;

/// Images of a sample, where nothing else is said.
const SAMPLE: usize = 1000;

/// Begins one.
pub(super) async fn start(args: StartArgs, settings: &Settings) -> Result<ExitCode> {
    let source: Source = args.source.as_deref().unwrap_or_default().parse()?;
    let stack = Stack::open(&args.place, settings).await?;
    let suffixes = args.suffix.iter().map(|suffix| suffix.trim().trim_start_matches('.').to_owned());
    let mut options = Options {
        all: args.all,
        suffixes: suffixes.filter(|suffix| !suffix.is_empty()).collect(),
        price_per_image: args.price_per_image,
        inventory: args.inventory,
        ..Options::default()
    };
    limit(&mut options, &args.limits);
    let mut progress = Progress::new(args.place.json);
    let mut listing = stack.listing(&source, &options).await?;
    let total = count(listing.as_mut(), &stack.ledger, &options, |counts| progress.counting(counts)).await?;
    let name = args.name.unwrap_or_else(|| source.job_name());
    let mut job = Job::new(name, source, options);
    job.total = Some(total);
    let bill = job.bill(&total);
    let told = json!({"job": job.name, "counts": total, "estimate": bill.total(), "bill": bill.lines});
    progress.say("counted", told, &words::counted(&job, &total))?;
    if args.dry_run || total.sent == 0 {
        progress.end();
        return Ok(ExitCode::SUCCESS);
    }
    stack.jobs.begin(&job).await?;
    send(&stack, job, &args.sending, args.sending.sample.unwrap_or(SAMPLE), &mut progress).await
}

/// Goes on with one. Without a new sample the rest is sent: that is what was asked for.
pub(super) async fn resume(
    name: &str,
    sending: Sending,
    limits: LimitArgs,
    place: Place,
    settings: &Settings,
) -> Result<ExitCode> {
    let stack = Stack::open(&place, settings).await?;
    let mut job = stack.jobs.resume(name).await?;
    limit(&mut job.options, &limits);
    let mut progress = Progress::new(place.json);
    let sample = sending.sample.unwrap_or(0);
    send(&stack, job, &sending, sample, &mut progress).await
}

/// Sends what a held job has left.
async fn send(
    stack: &Stack,
    mut job: Job,
    sending: &Sending,
    sample: usize,
    progress: &mut Progress,
) -> Result<ExitCode> {
    let interrupted = pause_on_interrupt(stack, &job.name);
    let ended = async {
        let mut listing = match stack.listing(&job.source, &job.options).await {
            Ok(listing) => listing,
            Err(error) => return Err(let_go(stack, &job, error).await),
        };
        let mut run = Run { listing: listing.as_mut(), known: &stack.ledger, queue: &stack.queue, jobs: &stack.jobs };
        let since = Instant::now();
        let first = (sample > 0).then_some(sample);
        let mut ended = run.send(&mut job, first, &mut |job| progress.sending(job)).await?;
        if let Ended::Sampled(ids) = ended {
            let go_on = match show(stack, &job, ids, sending, since, progress).await {
                Ok(()) => agreed(stack, &mut job, sending, progress).await?,
                Err(error) => return Err(let_go(stack, &job, error).await),
            };
            if !go_on {
                return Ok(None);
            }
            ended = run.send(&mut job, None, &mut |job| progress.sending(job)).await?;
        }
        Ok(Some(ended))
    };
    let ended = ended.await;
    interrupted.abort();
    progress.end();
    let Some(ended) = ended? else { return Ok(ExitCode::from(STOPPED)) };
    let (state, text) = match ended {
        Ended::Done => ("done", "everything is sent; the stack works it off".to_owned()),
        Ended::Budget => {
            let how = format!("crosslens backfill resume {} --budget USD", job.name);
            ("budget", format!("stopped at the budget, ${:.2} spent; go on with `{how}`", job.spent))
        }
        Ended::Stopped(State::Cancelled) => ("cancelled", "cancelled".to_owned()),
        Ended::Stopped(_) | Ended::Sampled(_) => {
            ("paused", format!("paused; go on with `crosslens backfill resume {}`", job.name))
        }
    };
    let text = format!("{} of {} images sent, {text}", job.counts.sent, job.total.unwrap_or_default().sent);
    let told = json!({"job": job.name, "state": state, "counts": job.counts, "spent": job.spent});
    progress.say("ended", told, &text)?;
    Ok(if ended == Ended::Done { ExitCode::SUCCESS } else { ExitCode::from(STOPPED) })
}

/// Waits until the sample is labelled, and shows what became of it.
async fn show(
    stack: &Stack,
    job: &Job,
    ids: Vec<ImageId>,
    sending: &Sending,
    since: Instant,
    progress: &Progress,
) -> Result<()> {
    let patience = Duration::from_secs(sending.patience);
    let mut told = |left: usize| progress.waiting(left);
    let sample = Sample::watch(ids, job, &stack.ledger, &stack.ledger, &stack.jobs, patience, since, &mut told).await?;
    let value = serde_json::to_value(&sample).map_err(internal)?;
    progress.say("sample", value, &words::sampled(job, &sample))
}

/// Whether the rest is to be sent. While somebody thinks about it, the job is paused.
async fn agreed(stack: &Stack, job: &mut Job, sending: &Sending, progress: &Progress) -> Result<bool> {
    let all = job.total.is_some_and(|total| job.counts.sent >= total.sent);
    if sending.yes || all {
        return Ok(true);
    }
    stack.jobs.release(job, State::Paused).await?;
    let how = format!("go on with `crosslens backfill resume {}`, or cancel it", job.name);
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        progress.end();
        if ask().await? {
            *job = stack.jobs.resume(&job.name).await?;
            return Ok(true);
        }
    }
    let told = json!({"job": job.name, "state": "paused", "counts": job.counts, "spent": job.spent});
    progress.say("ended", told, &format!("paused after the sample; {how}"))?;
    Ok(false)
}

async fn ask() -> Result<bool> {
    let answer = tokio::task::spawn_blocking(|| {
        let _ = write!(std::io::stderr(), "send the rest? [y/N] ");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.map_err(internal)?.map_err(internal)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A job that nobody works on must not look as if somebody did; the first error is the one to tell.
async fn let_go(stack: &Stack, job: &Job, error: common::error::Error) -> common::error::Error {
    let _ = stack.jobs.release(job, State::Paused).await;
    error
}

/// Ctrl-C pauses the job as `pause` would; a second one ends the process, and nothing is lost by that either.
fn pause_on_interrupt(stack: &Stack, name: &str) -> JoinHandle<()> {
    let (jobs, name) = (stack.jobs.clone(), name.to_owned());
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = jobs.order(&name, State::Paused).await;
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    })
}

fn limit(options: &mut Options, limits: &LimitArgs) {
    options.budget = limits.budget.or(options.budget);
    options.rate = limits.rate.or(options.rate);
    options.ahead = limits.ahead.unwrap_or(options.ahead);
}
