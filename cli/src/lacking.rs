//! Commands that this build lacks: they say how to get them, whatever their arguments are.

use std::process::ExitCode;

use clap::Args;
use common::error::{Error, Kind, Result};

/// What is lacking, and how to get it.
pub(crate) const AWS: &str = "this build does not know AWS; build it with `cargo build --release --features aws`";

/// Whatever is said to a command of another build.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct LackingArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    any: Vec<String>,
}

impl LackingArgs {
    /// Says how to build it.
    pub(crate) fn refuse(self) -> Result<ExitCode> {
        drop(self.any);
        Err(aws())
    }
}

/// [`AWS`], said to somebody who asks for it.
pub(crate) fn aws() -> Error {
    Error::new(Kind::InvalidRequest, AWS)
}
