//! `crosslens export`: all analyses that are kept, newest first, page by page, so that memory does not grow with them.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use common::{
    analysis::{Analysis, Label},
    error::{Error, Kind, Result},
    ports::Index,
};
use local::Local;

use crate::config::Settings;

/// Analyses read at a time.
const PAGE: usize = 100;
const COLUMNS: [&str; 10] =
    ["id", "source", "digest", "mediaType", "width", "height", "provider", "model", "label", "score"];

/// Writes all analyses to standard output.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// One analysis a line, or one label a line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The whole analysis as JSON, one a line
    #[default]
    Jsonl,
    /// One row for each label; an analysis without labels has one row
    Csv,
}

/// Runs it on the data folder.
pub(crate) async fn run(args: ExportArgs, settings: &Settings) -> Result<ExitCode> {
    let local = Local::open_existing(&settings.data)?;
    let mut cursor = None;
    let mut first = true;
    loop {
        let page = local.ledger.page(None, cursor.as_deref(), PAGE).await?;
        let text = match args.format {
            Format::Jsonl => jsonl(&page.analyses),
            Format::Csv => csv(&page.analyses, first),
        };
        let mut stdout = io::stdout().lock();
        match text.and_then(|text| stdout.write_all(&text)).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written
                .map_err(|error| Error::new(Kind::Unavailable, "standard output cannot be written").because(error))?,
        }
        (cursor, first) = (page.cursor, false);
        if cursor.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn jsonl(analyses: &[Analysis]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for analysis in analyses {
        serde_json::to_writer(&mut text, analysis)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn csv(analyses: &[Analysis], header: bool) -> io::Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    if header {
        rows.write_record(COLUMNS)?;
    }
    for analysis in analyses {
        let labels = analysis.findings.labels.as_deref().unwrap_or_default();
        for label in labels {
            rows.write_record(row(analysis, Some(label)))?;
        }
        if labels.is_empty() {
            rows.write_record(row(analysis, None))?;
        }
    }
    rows.into_inner().map_err(|error| error.into_error())
}

fn row(analysis: &Analysis, label: Option<&Label>) -> [String; COLUMNS.len()] {
    [
        analysis.id.to_string(),
        analysis.source.clone().unwrap_or_default(),
        analysis.digest.to_string(),
        analysis.media_type.to_string(),
        analysis.width.to_string(),
        analysis.height.to_string(),
        analysis.detector.provider.clone(),
        analysis.detector.model.clone(),
        label.map(|label| label.description.clone()).unwrap_or_default(),
        label.map(|label| label.score.to_string()).unwrap_or_default(),
    ]
}
