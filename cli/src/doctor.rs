//! `crosslens doctor`: what this machine can do, a line each, and what to do about what it cannot.

#[cfg(feature = "gcp")]
mod google;

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Args;
use common::{
    analysis::Features,
    error::{Error, Result, internal},
    intake::Intake,
    sample::SAMPLE,
    settings::Environment,
};
use detector_local::ModelInfo;
use local::Local;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    compose,
    config::{Detector, Settings},
};

/// The longest that one check may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Writes JSON
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It works.
    Ok,
    /// It does not, and what is configured needs it.
    Failed,
    /// It does not, or was not tried, and nothing that is configured needs it.
    Unused,
}

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), todo: None }
    }

    fn unused(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, state: State::Unused, found: found.into(), todo: Some(todo.into()) }
    }

    /// What went wrong is on the user's own machine, so its root is shown as well.
    fn failed(name: &'static str, error: &Error, todo: impl Into<String>) -> Self {
        let root = error.root();
        let because = if root.is_empty() { String::new() } else { format!(" ({root})") };
        let found = format!("{}{because}", error.message());
        Self { name, state: State::Failed, found, todo: Some(todo.into()) }
    }
}

/// Runs all checks; 0 when everything that the settings need works, else 1.
pub(crate) async fn run(args: DoctorArgs, settings: &Settings, environment: &Environment) -> Result<ExitCode> {
    let mut checks = vec![model(settings).await?, ledger(settings).await];
    checks.extend(google(settings, environment).await);
    let ready = checks.iter().all(|check| check.state != State::Failed);
    checks.push(if ready { image(settings).await } else { Check::unused("image", "not tried", "see above") });
    let text = if args.json { json(&checks)? } else { table(&checks) };
    // Nobody reading is no reason to fail.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::from(u8::from(checks.iter().any(|check| check.state == State::Failed))))
}

async fn model(settings: &Settings) -> Result<Check> {
    let (cache, config) = (settings.cache.clone(), settings.model.clone());
    let info = tokio::task::spawn_blocking(move || ModelInfo::of(&cache, &config)).await.map_err(internal)?;
    let todo = "fetch it with `crosslens model pull`";
    Ok(match info {
        Ok(info) => Check::ok("model", format!("{}, {} classes, whole", info.model, info.classes)),
        Err(error) if !matches!(settings.detector, Detector::Local) => {
            Check::unused("model", error.message().to_owned(), todo)
        }
        Err(error) => Check::failed("model", &error, todo),
    })
}

async fn ledger(settings: &Settings) -> Check {
    let looked = async {
        let local = Local::open_shared(&settings.data, &settings.limits)?;
        local.topics.dead(None, 1000).await
    };
    match looked.await {
        Ok(dead) if dead.is_empty() => Check::ok("ledger", format!("in {}", settings.data.display())),
        Ok(dead) => Check {
            todo: Some("bring them back with `crosslens events replay --dead`".to_owned()),
            ..Check::ok("ledger", format!("in {}, with {} dead letters", settings.data.display(), dead.len()))
        },
        Err(error) => Check::failed("ledger", &error, "choose a folder that can be written with --data"),
    }
}

#[cfg(feature = "gcp")]
async fn google(settings: &Settings, environment: &Environment) -> Vec<Check> {
    google::checks(settings, environment).await
}

#[cfg(not(feature = "gcp"))]
#[expect(clippy::unused_async, reason = "the same question in every build")]
async fn google(_: &Settings, _: &Environment) -> Vec<Check> {
    let todo = "for Google Vision build with `cargo build --release --features gcp`";
    vec![Check::unused("google", "this build knows no cloud", todo)]
}

/// One real image, seen by whoever answers.
async fn image(settings: &Settings) -> Check {
    let seen = async {
        let intake = Intake::new(settings.limits);
        let image = intake.admit(Bytes::from_static(SAMPLE.bytes))?;
        let detect: Arc<_> = compose::detector(settings, intake).await?;
        let started = Instant::now();
        let detection = detect.detect(&image, &Features::default(), PATIENCE).await?;
        Ok::<_, Error>((detection, started.elapsed()))
    };
    match seen.await {
        Ok((detection, took)) => {
            let labels = detection.findings.labels.unwrap_or_default();
            let words: Vec<&str> = labels.iter().take(3).map(|label| label.description.as_str()).collect();
            let detector = detection.detector;
            let found = format!(
                "{} is {}, says {} ({}) after {} ms",
                SAMPLE.name,
                words.join(", "),
                detector.provider,
                detector.model,
                took.as_millis()
            );
            Check::ok("image", found)
        }
        Err(error) => Check::failed("image", &error, "the lines above say what is missing"),
    }
}

fn json(checks: &[Check]) -> Result<String> {
    serde_json::to_string_pretty(checks).map(|text| text + "\n").map_err(internal)
}

fn table(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Failed => "FAILED",
            State::Unused => "-",
        };
        text += &format!("{state:<8}{:<13}{}\n", check.name, check.found);
        if let Some(todo) = &check.todo {
            text += &format!("{:21}→ {todo}\n", "");
        }
    }
    text
}
