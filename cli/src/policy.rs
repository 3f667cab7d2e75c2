//! `crosslens policy`: checks a moderation policy, says what it makes of a picture, and tries it on what was analysed before.

mod explain;
mod trial;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use common::error::{Error, Kind, Result};
use processors::moderation::{Policies, Policy};

use crate::{config::Settings, lines::print};

/// Works on moderation policies.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Names everything that is wrong with a policy
    Check {
        /// The policy [default: --policy, else the one in force]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Labels a picture, keeps nothing, and says which rule of the policy decides and why
    Explain(explain::ExplainArgs),
    /// Decides anew about what was analysed before, without asking any detector, and compares that with what was expected
    Test(trial::TestArgs),
}

/// Runs one of them.
pub(crate) async fn run(args: PolicyArgs, settings: &Settings) -> Result<ExitCode> {
    match args.command {
        PolicyCommand::Check { file } => check(file.or_else(|| settings.policy.clone())),
        PolicyCommand::Explain(args) => explain::run(args, settings).await,
        PolicyCommand::Test(args) => trial::run(args, settings).await,
    }
}

/// 0 where it is a policy; what is wrong is an error of the command line.
fn check(file: Option<PathBuf>) -> Result<ExitCode> {
    let policy = read(file.as_ref())?;
    let name = file.map_or_else(|| "the built-in policy".to_owned(), |file| file.display().to_string());
    let (rules, version, features) = (policy.rules(), policy.version(), policy.features());
    print_all([format!("{name}: rules: {rules}, version: {version}, needs: {features}")])?;
    Ok(ExitCode::SUCCESS)
}

/// The policy of this file, or the built-in one.
fn read(file: Option<&PathBuf>) -> Result<Arc<Policy>> {
    let (policies, _) = Policies::of_files(file.map(PathBuf::as_path), None)?;
    Ok(policies.active())
}

/// Writes lines until nobody reads them any more.
fn print_all(lines: impl IntoIterator<Item = String>) -> Result<()> {
    for line in lines {
        if print(&line)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(common::error::internal)
}

fn unreadable(path: &std::path::Path, cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidRequest, format!("{}: {cause}", path.display()))
}
