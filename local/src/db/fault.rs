//! What SQLite and the file system say, as the one error type with a word on what to do.

use std::io;

use common::error::{Error, Kind, Retry, internal};
use rusqlite::ErrorCode;

/// A failure inside a transaction: the database's, or one that the ledger itself found.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite refused.
    Sql(rusqlite::Error),
    /// The answer is an error.
    Domain(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Domain(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Domain(internal(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(error) => sql_error(error),
            Fault::Domain(error) => error,
        }
    }
}

fn sql_error(error: rusqlite::Error) -> Error {
    let unavailable = |message| Error::new(Kind::Unavailable, message);
    let classified = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => unavailable("no space is left for the data folder; free some and try again"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            unavailable("the data folder cannot be written; check its permissions or choose another with --data")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => unavailable(
            "crosslens.db in the data folder is damaged; put a backup in its place, or move it away to begin anew",
        )
        .with_retry(Retry::Never),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unavailable("another process keeps the data folder busy; try again")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            unavailable("reading or writing the data folder failed; check the disk and its free space")
        }
        _ => return internal(error),
    };
    classified.because(error)
}

/// A failed file operation below the data folder.
pub(crate) fn file_error(error: io::Error) -> Error {
    use io::ErrorKind as K;
    let message = match error.kind() {
        K::StorageFull | K::QuotaExceeded => "no space is left for the data folder; free some and try again",
        K::PermissionDenied | K::ReadOnlyFilesystem => {
            "the data folder cannot be written; check its permissions or choose another with --data"
        }
        K::NotADirectory | K::AlreadyExists => "the data folder is not a folder; choose another with --data",
        _ => "reading or writing the data folder failed; check the disk and its free space",
    };
    Error::new(Kind::Unavailable, message).because(error)
}

/// The transaction that this write shared was undone by SQLite, for lack of space as a rule.
pub(super) fn undone() -> Error {
    Error::new(Kind::Unavailable, "writing the data folder failed; check its free space and try again")
}
