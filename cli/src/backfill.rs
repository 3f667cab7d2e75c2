//! `crosslens backfill`: has the stack on AWS label what lies in a bucket already. Only keys pass through this machine.

mod control;
mod progress;
mod start;
mod words;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use common::error::{Error, Kind, Result};
use proxy_aws::{
    backfill::{DynamoJobs, Inventory, Listing, Options, S3Listing, Source, SqsQueue},
    clients::Clients,
    dynamodb::DynamoLedger,
};

use crate::config::Settings;

/// The exit code of a backfill that stopped before its end, as it was told to: by its budget, by `pause` or `cancel`, or
/// because nobody has agreed to the rest after the sample.
pub(crate) const STOPPED: u8 = 3;

/// A backfill, or what is to become of one.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BackfillArgs {
    #[command(subcommand)]
    command: Option<Control>,
    #[command(flatten)]
    start: StartArgs,
}

/// A new backfill.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The bucket, and how keys begin
    #[arg(value_name = "s3://BUCKET/PREFIX", required = true)]
    source: Option<String>,
    /// What `status`, `pause`, `resume` and `cancel` call it [default: from the bucket and the prefix]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Sends what has an outcome already as well; the stack does not pay for it again
    #[arg(long)]
    all: bool,
    /// Only keys that end so, as in jpg,png; any case [default: all keys]
    #[arg(long, value_name = "SUFFIX", value_delimiter = ',')]
    suffix: Vec<String>,
    /// Reads an S3 Inventory (CSV) instead of listing the bucket
    #[arg(long, value_name = "s3://BUCKET/manifest.json")]
    inventory: Option<String>,
    /// What the detector costs an image, in US dollars [default: Google Vision's list price]
    #[arg(long, value_name = "USD", value_parser = dollars)]
    price_per_image: Option<f64>,
    /// Counts, and says what it would cost; sends nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    place: Place,
}

/// How a backfill goes on after its sample.
#[derive(Debug, Args)]
pub(crate) struct Sending {
    /// Images that are sent first, and whose labels, cost and time are shown before the rest; 0 for none [default: 1000]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Seconds without any outcome after which a sample is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Sends the rest without asking
    #[arg(long)]
    yes: bool,
}

/// What a backfill may use.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// The most that the estimate may reach, in US dollars: a hard stop
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget: Option<f64>,
    /// Images a second at the most [default: as fast as the stack takes them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Messages that may wait in the queue [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    ahead: Option<u64>,
}

/// Which stack, and how its answers are written.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The stack's table [default: $CROSSLENS_TABLE]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The queue that the stack's backfill function reads [default: $CROSSLENS_BACKFILL_QUEUE]
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Control {
    /// Lists the jobs: how far they are, what they have cost and how long they will take
    Status {
        /// Only this job
        name: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Has the process that works on a job stop; `resume` goes on with it
    Pause {
        /// The job
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Goes on with a job that was paused or whose process died
    Resume {
        /// The job
        name: String,
        #[command(flatten)]
        sending: Sending,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        place: Place,
    },
    /// Gives a job up, and empties the backfill queue, of every job's messages
    Cancel {
        /// The job
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs it.
pub(crate) async fn run(args: BackfillArgs, settings: &Settings) -> Result<ExitCode> {
    match args.command {
        None => start::start(args.start, settings).await,
        Some(Control::Resume { name, sending, limits, place }) => {
            start::resume(&name, sending, limits, place, settings).await
        }
        Some(Control::Status { name, place }) => control::status(name.as_deref(), &place, settings).await,
        Some(Control::Pause { name, place }) => control::pause(&name, &place, settings).await,
        Some(Control::Cancel { name, place }) => control::cancel(&name, &place, settings).await,
    }
}

/// The parts of the stack that a backfill works with.
struct Stack {
    clients: Clients,
    ledger: DynamoLedger,
    queue: SqsQueue,
    jobs: DynamoJobs,
}

impl Stack {
    async fn open(place: &Place, settings: &Settings) -> Result<Self> {
        let table = place.table.clone().or_else(|| settings.stack.table.clone());
        let queue = place.queue.clone().or_else(|| settings.stack.backfill_queue.clone());
        let (Some(table), Some(queue)) = (table, queue) else {
            let message = "name the stack's parts: --table or CROSSLENS_TABLE, and --queue or CROSSLENS_BACKFILL_QUEUE";
            return Err(Error::new(Kind::InvalidRequest, message));
        };
        let clients = Clients::from_environment().await;
        Ok(Self {
            ledger: DynamoLedger::new(clients.dynamodb.clone(), table.clone()),
            queue: SqsQueue::new(clients.sqs.clone(), queue),
            jobs: DynamoJobs::new(clients.dynamodb.clone(), table),
            clients,
        })
    }

    async fn listing(&self, source: &Source, options: &Options) -> Result<Box<dyn Listing>> {
        let s3 = self.clients.s3.clone();
        Ok(match &options.inventory {
            Some(manifest) => Box::new(Inventory::open(s3, source.clone(), manifest).await?),
            None => Box::new(S3Listing::open(s3, source.clone()).await?),
        })
    }
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(dollars) if dollars.is_finite() && dollars >= 0.0 => Ok(dollars),
        _ => Err("write an amount of US dollars, as in 25 or 0.0015".to_owned()),
    }
}
