//! Logs: JSON for machines, plain lines for a terminal, always on stderr.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::error::{Error, Kind, Result};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Words and colours.
    Text,
}

/// Starts logging for the whole process. `filter` is in `RUST_LOG`'s syntax.
pub fn init(format: Format, filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|cause| Error::new(Kind::InvalidRequest, "RUST_LOG is not a valid filter").because(cause))?;
    let terminal = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    let started = match format {
        Format::Auto if terminal => builder.compact().try_init(),
        Format::Text => builder.compact().try_init(),
        Format::Auto | Format::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(crate::error::internal)
}
