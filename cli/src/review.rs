//! `crosslens review`: what waits for a person, and that person's decisions. Works beside a running `up`, and without one.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use common::{
    error::{Error, Kind, Result, internal},
    moderation::{AuditLine, Moderation, ReviewItem, Verdict},
    ports::{Dossiers, Reviews},
    request::{Cloud, ImageId},
    settings::Environment,
};
use local::Local;
use processors::Reviewing;
use serde_json::json;

use crate::{
    config::Settings,
    lines::{print, printable},
};

/// Lines of an image's log that are shown.
const LOG: usize = 50;

/// Images that wait for a person.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    #[command(subcommand)]
    command: Review,
}

#[derive(Debug, Subcommand)]
enum Review {
    /// Lists what waits, the oldest first
    List {
        /// The most that are listed
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Shows what moderation knows of an image, and who decided what
    Show {
        /// The image's id
        id: ImageId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lets everybody see an image; what was taken out of sight comes back
    Approve(Decision),
    /// Lets nobody but reviewers see an image
    Reject(Decision),
}

#[derive(Debug, Args)]
struct Decision {
    /// The image's id
    id: ImageId,
    /// Why; it stands in the audit log
    #[arg(long)]
    reason: String,
    /// Who decides [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,
}

/// Runs one of them on the data folder.
pub(crate) async fn run(args: ReviewArgs, settings: &Settings, environment: &Environment) -> Result<ExitCode> {
    let local = Local::open_existing(&settings.data)?;
    match args.command {
        Review::List { limit, json } => list(&local, limit, json).await,
        Review::Show { id, json } => show(&local, &id, json).await,
        Review::Approve(decision) => decide(&local, &decision, Verdict::Allow, environment).await,
        Review::Reject(decision) => decide(&local, &decision, Verdict::Reject, environment).await,
    }
}

/// Takes decisions down in this data folder.
pub(crate) fn reviewing(local: &Local) -> Reviewing {
    let ledger = Arc::new(local.ledger.clone());
    Reviewing {
        cloud: Cloud::Local,
        journal: Arc::new(local.journal()),
        dossiers: ledger.clone(),
        reviews: ledger.clone(),
        outbox: ledger,
        publish: Arc::new(local.topics.clone()),
    }
}

async fn list(local: &Local, limit: usize, json: bool) -> Result<ExitCode> {
    for item in local.ledger.waiting(limit).await? {
        let line = if json { serde_json::to_string(&item).map_err(internal)? } else { line(&item) };
        if print(&line)?.is_break() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(ReviewItem { moderation, since }: &ReviewItem) -> String {
    let source = moderation.source.as_deref().unwrap_or("(bytes)");
    printable(&format!("{since:.0} {} {} {source} {}", moderation.id, moderation.verdict.name(), because(moderation)))
}

fn because(moderation: &Moderation) -> String {
    let seen = moderation.evidence.iter().filter(|evidence| evidence.holds != Some(false));
    let words: Vec<String> = seen.map(|evidence| format!("{}: {}", evidence.rule, evidence.because)).collect();
    words.join("; ")
}

async fn show(local: &Local, id: &ImageId, json: bool) -> Result<ExitCode> {
    let moderation = local.ledger.dossier(id).await?.moderation;
    let moderation = moderation.ok_or_else(|| Error::new(Kind::NotFound, "moderation knows nothing of this image"))?;
    let log = local.ledger.audit(id, LOG).await?;
    if json {
        let _ = print(&json!({ "moderation": moderation, "audit": log }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = vec![
        format!("{} {}", moderation.verdict.name(), moderation.source.as_deref().unwrap_or("(bytes)")),
        format!("policy {}, {}", moderation.policy, because(&moderation)),
    ];
    lines.extend(moderation.blurred.iter().map(|key| format!("blurred {key}")));
    lines.extend(log.iter().map(logged));
    for line in lines {
        if print(&printable(&line))?.is_break() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn logged(line: &AuditLine) -> String {
    let why = line.reason.as_deref().or(line.rule.as_deref()).unwrap_or("no rule applied");
    format!("{:.0} {} by {}: {why}", line.at, line.verdict.name(), line.by)
}

async fn decide(local: &Local, decision: &Decision, verdict: Verdict, environment: &Environment) -> Result<ExitCode> {
    let user = || environment.get("USER").or_else(|| environment.get("USERNAME")).cloned();
    let reviewer = decision.reviewer.clone().or_else(user).ok_or_else(|| {
        Error::new(Kind::InvalidRequest, "who decides? say --reviewer NAME; it stands in the audit log")
    })?;
    let moderation = reviewing(local).decide(&decision.id, verdict, &reviewer, &decision.reason).await?;
    let _ = print(&printable(&format!("{} {} by {reviewer}", moderation.id, moderation.verdict.name())))?;
    Ok(ExitCode::SUCCESS)
}
