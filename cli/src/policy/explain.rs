//! `crosslens policy explain`: one picture, what a policy says about it, and what each of its rules saw.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use common::{
    analysis::Analysis,
    error::Result,
    moderation::{Evidence, Verdict},
    request::{Caller, ImageRequest, ImageSource, Query},
    source::SourceUrl,
};
use processors::moderation::Policy;
use serde::Serialize;
use tokio::time::Instant;

use super::{json, print_all, read, unreadable};
use crate::{compose, config::Settings, lines::printable};

/// The most that the picture may take: a download, waiting for a core, and the detector.
const PATIENCE: Duration = Duration::from_secs(60);

/// Explains a policy by a picture.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A file or a URL
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Writes it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    input: &'a str,
    policy: &'a str,
    verdict: Verdict,
    rule: Option<String>,
    /// Every rule, in the policy's order.
    rules: Vec<Evidence>,
}

/// Labels the picture by the configured detector, and keeps nothing.
pub(super) async fn run(args: ExplainArgs, settings: &Settings) -> Result<ExitCode> {
    let policy = read(settings.policy.as_ref())?;
    let source = source(&args.image)?;
    let analysis = look(source, &policy, settings).await?;
    let decision = policy.decide(&analysis.findings);
    let explained = Explained {
        input: &args.image,
        policy: policy.version(),
        verdict: decision.verdict,
        rule: decision.rule,
        rules: policy.explain(&analysis.findings),
    };
    if args.json {
        print_all([json(&explained)?])?
    } else {
        print_all(table(&explained))?
    }
    Ok(ExitCode::SUCCESS)
}

fn source(image: &str) -> Result<ImageSource> {
    if image.contains("://") {
        return SourceUrl::parse(image).map(ImageSource::Url);
    }
    let path = std::path::absolute(image).map_err(|cause| unreadable(Path::new(image), cause))?;
    if !path.is_file() {
        return Err(unreadable(&PathBuf::from(image), "there is no such file"));
    }
    Ok(ImageSource::File(path))
}

async fn look(source: ImageSource, policy: &Policy, settings: &Settings) -> Result<Analysis> {
    let query = Query::new(policy.features().clone(), Some(common::analysis::MAX_LABELS), false)?;
    let request = ImageRequest {
        source,
        query,
        caller: Caller("cli".to_owned()),
        idempotency_key: None,
        request_id: "policy".to_owned(),
        traceparent: None,
        deadline: Instant::now() + PATIENCE,
        accepted: None,
    };
    compose::shared(settings).await?.pipeline.look.once(&request).await
}

/// What was decided, and a row for each rule.
fn table(explained: &Explained<'_>) -> Vec<String> {
    let Explained { input, policy, verdict, rule, rules } = explained;
    let by = rule.as_ref().map_or_else(|| "no rule applies".to_owned(), |rule| format!("by the rule \"{rule}\""));
    let mut lines = vec![format!("{}: {}, {by} (policy {policy})", printable(input), verdict.name()), String::new()];
    let wide = rules.iter().map(|row| row.rule.chars().count()).max().unwrap_or(0).max(4);
    lines.push(format!("{:wide$}  {:10}  {:11}  because", "rule", "action", "holds"));
    for row in rules {
        let holds = match row.holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "cannot tell",
        };
        let (name, because) = (printable(&row.rule), printable(&row.because));
        lines.push(format!("{name:wide$}  {:10}  {holds:11}  {because}", row.action.name()));
    }
    lines
}
