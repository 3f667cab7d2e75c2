//! `crosslens events`: follows what is published, lists what a consumer gave up, and has it delivered again. Works beside
//! a running `up`, and without one.

use std::{fmt::Write as _, io, process::ExitCode};

use clap::{Args, Subcommand};
use common::{
    error::{Error, Kind, Result, internal},
    event::{Event, Payload, Topic},
};
use local::{From, Local, Message, Replay, SqliteTopics};

use crate::{
    config::Settings,
    lines::{print, printable},
};

/// Labels on a line.
const LABELS: usize = 3;
/// Dead letters that are listed at the most.
const DEAD: usize = 1000;

/// Events and their deliveries.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: Events,
}

#[derive(Debug, Subcommand)]
enum Events {
    /// Prints events as they are published, until it is stopped
    Tail {
        /// Only this topic; may be repeated [default: all topics]
        #[arg(long, value_name = "T")]
        topic: Vec<String>,
        /// Begins with the oldest event that is kept
        #[arg(long)]
        from_start: bool,
        /// One CloudEvent a line
        #[arg(long)]
        json: bool,
    },
    /// Delivers again: what was given up, or everything from an event on
    Replay {
        /// Only to this consumer [default: all of them]
        #[arg(long, value_name = "NAME")]
        consumer: Option<String>,
        /// What was given up; this is the default
        #[arg(long, conflicts_with = "from")]
        dead: bool,
        /// Everything from this number on, as `tail` prints it
        #[arg(long, value_name = "SEQ", requires = "consumer")]
        from: Option<i64>,
    },
    /// Lists what was given up after its last try, newest first
    Dead {
        /// Only of this consumer
        #[arg(long, value_name = "NAME")]
        consumer: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them on the data folder.
pub(crate) async fn run(args: EventsArgs, settings: &Settings) -> Result<ExitCode> {
    let local = Local::open_existing(&settings.data)?;
    match args.command {
        Events::Tail { topic, from_start, json } => tail(&local.topics, topic, from_start, json).await,
        Events::Replay { consumer, dead: _, from } => replay(&local.topics, consumer, from).await,
        Events::Dead { consumer, json } => dead(&local.topics, consumer, json).await,
    }
}

async fn tail(topics: &SqliteTopics, names: Vec<String>, from_start: bool, json: bool) -> Result<ExitCode> {
    let known = Topic::ALL.map(Topic::name);
    let chosen: Vec<&str> = if names.is_empty() { known.to_vec() } else { names.iter().map(String::as_str).collect() };
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        let message = format!("there is no topic {unknown}; known are {}", known.join(", "));
        return Err(Error::new(Kind::InvalidRequest, message));
    }
    let mut tail = topics.tail(&chosen, if from_start { From::Start } else { From::End }).await?;
    let mut gone = std::pin::pin!(reader_gone());
    loop {
        let message = tokio::select! {
            biased;
            message = tail.next() => message?,
            () = &mut gone => return Ok(ExitCode::SUCCESS),
        };
        let line = if json { message.body } else { line(&message)? };
        if print(&line)?.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Number, time, topic, id, source, and what was found or went wrong.
fn line(message: &Message) -> Result<String> {
    let event: Event = message.parse()?;
    let (source, what) = match &event.data {
        Payload::Labelled(analysis) => {
            let labels = analysis.findings.labels.iter().flatten().take(LABELS);
            let words: Vec<String> = labels.map(|label| format!("{} {:.3}", label.description, label.score)).collect();
            (analysis.source.as_deref(), words.join(", "))
        }
        Payload::Failed(failure) => (failure.source.as_deref(), format!("{}: {}", failure.problem, failure.detail)),
        Payload::Moderated(moderation) => {
            let by = moderation.decided_by.as_deref().or(moderation.rule.as_deref()).unwrap_or("no rule");
            (moderation.source.as_deref(), format!("{} by {by}", moderation.verdict.name()))
        }
        Payload::Translated(translations) => {
            let labels = translations.translated.iter().take(LABELS);
            let words = labels.map(|label| {
                let others: Vec<&str> = label.translations.values().map(|phrase| phrase.text.as_str()).collect();
                format!("{} = {}", label.label, others.join(" = "))
            });
            (translations.source.as_deref(), words.collect::<Vec<_>>().join(", "))
        }
        // Numbers and names are for those only who ask for the whole event.
        Payload::Requested(request) => (Some("(message)"), format!("{:?}", request.operation).to_lowercase()),
        Payload::Replied(reply) => (Some("(message)"), format!("{:?} answered", reply.input.operation).to_lowercase()),
    };
    let source = source.unwrap_or("(bytes)");
    let line = format!("{} {:.0} {} {} {source} {what}", message.seq, event.time, message.topic, event.subject);
    Ok(printable(&line))
}

async fn replay(topics: &SqliteTopics, consumer: Option<String>, from: Option<i64>) -> Result<ExitCode> {
    let consumers = match consumer {
        Some(name) => vec![name],
        None => topics.consumers().await?,
    };
    let what = from.map_or(Replay::Dead, Replay::From);
    for name in consumers {
        let count = topics.replay(&name, what).await?;
        if print(&format!("{}: {count} to be delivered again", printable(&name)))?.is_break() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn dead(topics: &SqliteTopics, consumer: Option<String>, json: bool) -> Result<ExitCode> {
    for letter in topics.dead(consumer.as_deref(), DEAD).await? {
        let line = if json {
            serde_json::to_string(&letter).map_err(internal)?
        } else {
            let mut line =
                format!("{} {:.0} {} {} {}", letter.seq, letter.at, letter.consumer, letter.topic, letter.id);
            let _ = write!(line, " after {} tries: {}", letter.tries, letter.error);
            printable(&line)
        };
        if print(&line)?.is_break() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends when nobody reads standard output any more, so that `events tail | head` does not wait for one more event.
async fn reader_gone() {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        use tokio::{io::Interest, net::unix::pipe::Sender};
        // A file has no reader and cannot be waited for. The descriptor is only waited for, so it may stay a blocking one.
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        if let Ok(pipe) = stdout.and_then(|stdout| Sender::from_file_unchecked(stdout.into()))
            && pipe.ready(Interest::ERROR).await.is_ok_and(|ready| ready.is_error())
        {
            return;
        }
    }
    std::future::pending().await
}
