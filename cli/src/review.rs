//! `crosslens review`: what waits for a person, and that person's decisions. Works beside a running `up`, and without one; and
//! on the table of a stack on AWS.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use common::{
    error::{Error, Kind, Result, internal},
    moderation::{AuditLine, Moderation, ReviewItem, Verdict},
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
    /// Works off the list of the stack on AWS whose table CROSSLENS_TABLE names, in place of this folder's
    #[arg(long, global = true)]
    aws: bool,
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

/// Runs one of them.
pub(crate) async fn run(args: ReviewArgs, settings: &Settings, environment: &Environment) -> Result<ExitCode> {
    let reviewing =
        if args.aws { deployed(settings).await? } else { reviewing(&Local::open_existing(&settings.data)?) };
    match args.command {
        Review::List { limit, json } => list(&reviewing, limit, json).await,
        Review::Show { id, json } => show(&reviewing, &id, json).await,
        Review::Approve(decision) => decide(&reviewing, &decision, Verdict::Allow, environment).await,
        Review::Reject(decision) => decide(&reviewing, &decision, Verdict::Reject, environment).await,
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
        publish: Some(Arc::new(local.topics.clone())),
    }
}

/// Takes decisions down in a deployment's table; its sweep tells them within a minute or two.
#[cfg(feature = "aws")]
async fn deployed(settings: &Settings) -> Result<Reviewing> {
    let missing = || Error::new(Kind::InvalidRequest, "name the stack's table with CROSSLENS_TABLE");
    let table = settings.stack.table.clone().ok_or_else(missing)?;
    let clients = proxy_aws::clients::Clients::from_environment().await;
    let mut ledger = proxy_aws::dynamodb::DynamoLedger::new(clients.dynamodb, table);
    if let Some(retention) = settings.retention {
        ledger = ledger.with_retention(retention);
    }
    let ledger = Arc::new(ledger);
    Ok(Reviewing {
        cloud: Cloud::Aws,
        journal: ledger.clone(),
        dossiers: ledger.clone(),
        reviews: ledger.clone(),
        outbox: ledger,
        publish: None,
    })
}

#[cfg(not(feature = "aws"))]
async fn deployed(_: &Settings) -> Result<Reviewing> {
    Err(crate::lacking::aws())
}

async fn list(reviewing: &Reviewing, limit: usize, json: bool) -> Result<ExitCode> {
    for item in reviewing.reviews.waiting(limit).await? {
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

async fn show(reviewing: &Reviewing, id: &ImageId, json: bool) -> Result<ExitCode> {
    let moderation = reviewing.dossiers.dossier(id).await?.moderation;
    let moderation = moderation.ok_or_else(|| Error::new(Kind::NotFound, "moderation knows nothing of this image"))?;
    let log = reviewing.reviews.audit(id, LOG).await?;
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

async fn decide(
    reviewing: &Reviewing,
    decision: &Decision,
    verdict: Verdict,
    environment: &Environment,
) -> Result<ExitCode> {
    let user = || environment.get("USER").or_else(|| environment.get("USERNAME")).cloned();
    let reviewer = decision.reviewer.clone().or_else(user).ok_or_else(|| {
        Error::new(Kind::InvalidRequest, "who decides? say --reviewer NAME; it stands in the audit log")
    })?;
    let moderation = reviewing.decide(&decision.id, verdict, &reviewer, &decision.reason).await?;
    let _ = print(&printable(&format!("{} {} by {reviewer}", moderation.id, moderation.verdict.name())))?;
    Ok(ExitCode::SUCCESS)
}
