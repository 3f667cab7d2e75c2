//! The `crosslens` binary: one file per command.

#[cfg(feature = "aws")]
mod backfill;
mod check_uri;
mod compose;
mod config;
#[cfg(feature = "aws")]
mod dlq;
mod doctor;
mod downstream;
mod events;
mod export;
mod faces;
mod label;
#[cfg(not(feature = "aws"))]
mod lacking;
mod lines;
mod message;
mod messages;
mod model;
mod page;
mod policy;
mod review;
mod reviews;
mod sns;
mod sources;
mod up;
mod uploads;
mod webhook;

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use common::{error::Result, log};

use config::{Flags, Settings, UpFlags, UpSettings, environment};

/// Labels for images, handed reliably to everything that waits for them.
#[derive(Debug, Parser)]
#[command(name = "crosslens", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything on this machine: HTTP, a watched folder, a page, the ledger and the topics
    Up(Box<UpFlags>),
    /// Labels files, folders and URLs
    Label(label::LabelArgs),
    /// Says whether an image source would be opened, and why not, without any network
    CheckUri(check_uri::CheckUriArgs),
    /// Writes to a running `up` as by text message, and prints the answers
    Message(message::MessageArgs),
    /// Follows events, and brings failed deliveries back
    Events(events::EventsArgs),
    /// Writes all analyses
    Export(export::ExportArgs),
    /// Has the stack on AWS label what lies in a bucket already
    #[cfg(feature = "aws")]
    Backfill(Box<backfill::BackfillArgs>),
    /// Lists what the queues on AWS gave up, and brings it back
    #[cfg(feature = "aws")]
    Dlq(dlq::DlqArgs),
    /// Has the stack on AWS label what lies in a bucket already (in builds with the feature `aws`)
    #[cfg(not(feature = "aws"))]
    Backfill(lacking::LackingArgs),
    /// Lists what the queues on AWS gave up, and brings it back (in builds with the feature `aws`)
    #[cfg(not(feature = "aws"))]
    Dlq(lacking::LackingArgs),
    /// Works off the images that wait for a person
    Review(review::ReviewArgs),
    /// Checks a moderation policy, says what it makes of a picture, and tries it on what was analysed before
    Policy(policy::PolicyArgs),
    /// Fetches the embedded model, or tells about it
    Model(model::ModelArgs),
    /// Checks what this machine can do, and says what to do about what it cannot
    Doctor(doctor::DoctorArgs),
    /// Writes a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(code) => code,
        Err(error) => {
            let causes = error.causes();
            let because = if causes.is_empty() { String::new() } else { format!(" ({causes})") };
            let _ = writeln!(std::io::stderr(), "crosslens: {}{because}", error.message());
            ExitCode::from(if error.kind() == common::error::Kind::InvalidRequest { 2 } else { 1 })
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let environment = environment();
    if let Command::Up(flags) = &cli.command {
        let settings = UpSettings::resolve(&cli.flags, flags, &environment)?;
        log::init(settings.common.log_format, &settings.common.log_filter)?;
        return up::run(settings).await;
    }
    let settings = Settings::resolve(&cli.flags, &environment)?;
    log::init(settings.log_format, environment.get("RUST_LOG").map_or("warn", String::as_str))?;
    match cli.command {
        Command::Up(_) => Ok(ExitCode::SUCCESS),
        Command::Label(args) => label::run(args, settings).await,
        Command::CheckUri(args) => check_uri::run(args, &settings),
        Command::Message(args) => message::run(args, &settings).await,
        Command::Events(args) => events::run(args, &settings).await,
        Command::Export(args) => export::run(args, &settings).await,
        #[cfg(feature = "aws")]
        Command::Backfill(args) => backfill::run(*args, &settings).await,
        #[cfg(feature = "aws")]
        Command::Dlq(args) => dlq::run(args, &settings).await,
        #[cfg(not(feature = "aws"))]
        Command::Backfill(args) | Command::Dlq(args) => args.refuse(),
        Command::Review(args) => review::run(args, &settings, &environment).await,
        Command::Policy(args) => policy::run(args, &settings).await,
        Command::Model(args) => model::run(args, &settings).await,
        Command::Doctor(args) => doctor::run(args, &settings, &environment).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "crosslens", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
