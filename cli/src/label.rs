//! `crosslens label`: files, folders and URLs in, labels out. Each result is kept, so that a second run over the same
//! pictures asks no detector.

mod inputs;
mod output;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use common::{
    analysis::{Analysis, Features},
    error::{Error, Result},
    pipeline::Pipeline,
    request::{Caller, DEFAULT_MAX_LABELS, ImageRequest, Query},
};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::{compose, config::Settings};
use inputs::{Input, Inputs};
use output::{Format, Output};

/// The most that one picture may take: a download, waiting for a core, and the detector.
const PATIENCE: Duration = Duration::from_secs(60);

/// Labels pictures.
#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// Files, folders (with all below them), URLs, or `-` for one picture on standard input
    #[arg(required = true, value_name = "PATH|URL|-")]
    inputs: Vec<String>,
    /// How the results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// What to find, joined by commas
    #[arg(long, value_name = "LIST", default_value_t)]
    features: Features,
    /// Labels for each picture, 1 to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LABELS)]
    max_labels: u16,
}

/// Labels everything named; 0 when all went well, 1 when some failed.
pub(crate) async fn run(args: LabelArgs, settings: Settings) -> Result<ExitCode> {
    let query = Query::new(args.features, Some(args.max_labels), true)?;
    let composed = compose::shared(&settings).await?;
    let pipeline = Arc::new(composed.pipeline);
    let inputs = Inputs::new(args.inputs, settings.limits.max_bytes)?;
    let skipped = inputs.skipped();
    let bar = progress(&inputs);
    // Enough that writing, reading and thinking overlap on every core, and no more, so that memory stays flat.
    let at_a_time = std::thread::available_parallelism().map_or(4, usize::from) * 4;
    let work = futures_util::stream::iter(inputs).map(|input| {
        let (pipeline, query) = (pipeline.clone(), query.clone());
        async move { tokio::spawn(one(pipeline, query, input)).await.map_err(common::error::internal) }
    });
    let mut results = std::pin::pin!(work.buffered(at_a_time));
    let mut output = Output::begin(args.format)?;
    let mut failed = 0_usize;
    while let Some(result) = results.next().await {
        let (name, result) = result?;
        let written = bar.suspend(|| match &result {
            Ok(analysis) => output.row(&name, analysis),
            Err(error) => {
                failed += 1;
                complain(&name, error);
                Ok(())
            }
        });
        bar.inc(1);
        written?;
        if output.closed {
            return Ok(ExitCode::SUCCESS);
        }
    }
    bar.finish_and_clear();
    output.end()?;
    let skipped = skipped.load(std::sync::atomic::Ordering::Relaxed);
    if skipped > 0 {
        let _ = writeln!(std::io::stderr(), "passed over because they are not pictures: {skipped}");
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn one(pipeline: Arc<Pipeline>, query: Query, input: Input) -> (String, Result<Analysis>) {
    let source = match input.source {
        Ok(source) => source,
        Err(error) => return (input.name, Err(error)),
    };
    let request = ImageRequest {
        source,
        query,
        caller: Caller("cli".to_owned()),
        idempotency_key: None,
        request_id: "label".to_owned(),
        traceparent: None,
        deadline: Instant::now() + PATIENCE,
        accepted: None,
    };
    (input.name, pipeline.process(&request).await)
}

fn complain(name: &str, error: &Error) {
    let _ = writeln!(std::io::stderr(), "{name}: {error}");
}

/// A bar on a terminal, with the total where counting it is cheap; nothing elsewhere.
fn progress(inputs: &Inputs) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(inputs.count()), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} pictures · {per_sec} · {eta} left") {
        bar.set_style(style);
    }
    bar
}
