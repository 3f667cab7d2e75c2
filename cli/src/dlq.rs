//! `crosslens dlq`: what the stack's queues gave up, and bringing it back.

use std::{fmt::Write as _, process::ExitCode};

use clap::{Args, Subcommand};
use common::error::{Error, Kind, Result, internal};
use jiff::{SpanRound, Timestamp, Unit};
use proxy_aws::{
    clients::Clients,
    dead_letters::{DeadLetter, DeadLetters, Replay},
};

use crate::{
    config::Settings,
    lines::{print, printable},
};

/// Dead letters on AWS.
#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    command: Dlq,
}

#[derive(Debug, Subcommand)]
enum Dlq {
    /// Lists what was given up after its last receive, oldest first; it stays where it is
    List {
        #[command(flatten)]
        from: Place,
        /// Messages that are listed at the most
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Sends messages to their queues again, and only then takes them out
    Replay {
        #[command(flatten)]
        from: Place,
        /// Sends all of them to this queue [default: the one that each came from]
        #[arg(long, value_name = "URL")]
        queue: Option<String>,
        /// Messages at the most [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Only what is about objects whose key begins so
        #[arg(long, value_name = "PREFIX")]
        key: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// A dead-letter queue; may be repeated [default: those of CROSSLENS_DEAD_LETTERS]
    #[arg(long, value_name = "URL")]
    dead_letters: Vec<String>,
}

impl Place {
    async fn queues(self, settings: &Settings) -> Result<Vec<DeadLetters>> {
        let urls = if self.dead_letters.is_empty() { settings.stack.dead_letters.clone() } else { self.dead_letters };
        if urls.is_empty() {
            let message = "name the dead-letter queues with --dead-letters or CROSSLENS_DEAD_LETTERS";
            return Err(Error::new(Kind::InvalidRequest, message));
        }
        let clients = Clients::from_environment().await;
        Ok(urls.into_iter().map(|url| DeadLetters::new(clients.sqs.clone(), url)).collect())
    }
}

/// Runs one of them.
pub(crate) async fn run(args: DlqArgs, settings: &Settings) -> Result<ExitCode> {
    match args.command {
        Dlq::List { from, limit, json } => list(&from.queues(settings).await?, limit, json).await,
        Dlq::Replay { from, queue, limit, key } => {
            replay(&from.queues(settings).await?, Replay { limit, key, queue }).await
        }
    }
}

async fn list(queues: &[DeadLetters], limit: usize, json: bool) -> Result<ExitCode> {
    let mut left = limit;
    for queue in queues {
        let letters = queue.list(left).await?;
        left = left.saturating_sub(letters.len());
        for letter in letters {
            let line = if json { serde_json::to_string(&letter).map_err(internal)? } else { line(&letter) };
            if print(&line)?.is_break() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(queues: &[DeadLetters], mut replay: Replay) -> Result<ExitCode> {
    for queue in queues {
        let mut reader = Ok(std::ops::ControlFlow::Continue(()));
        let count = queue
            .replay(&replay, |letter| {
                if matches!(reader, Ok(std::ops::ControlFlow::Continue(()))) {
                    reader = print(&format!("back: {}", about(letter)));
                }
            })
            .await?;
        // What was asked for is done, whether or not somebody reads about it.
        if reader?.is_continue() && print(&format!("{count} sent to be worked on again"))?.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
        replay.limit = replay.limit.map(|limit| limit.saturating_sub(count));
    }
    Ok(ExitCode::SUCCESS)
}

/// When it was first sent, how long ago, how often it was received, and what it is about.
fn line(letter: &DeadLetter) -> String {
    let mut line = String::new();
    if let Some(sent) = letter.sent {
        let round = SpanRound::new().largest(Unit::Day).smallest(Unit::Minute).days_are_24_hours();
        let age = sent.until(Timestamp::now()).and_then(|age| age.round(round)).unwrap_or_default();
        let _ = write!(line, "{sent:.0}  {:>12}  ", format!("{age:#}"));
    }
    let _ = write!(line, "{} receives  {}", letter.receives, about(letter));
    line
}

fn about(letter: &DeadLetter) -> String {
    printable(letter.about.as_deref().unwrap_or(&letter.id))
}
