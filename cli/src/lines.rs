//! Lines on standard output, for people and for pipes.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use common::error::{Error, Kind, Result};

/// Writes a line; a reader who has gone away ends the command, quietly.
pub(crate) fn print(line: &str) -> Result<ControlFlow<()>> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Error::new(Kind::Unavailable, "standard output cannot be written").because(error)),
    }
}

/// What came from outside may hold characters that steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
