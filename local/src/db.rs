//! The one SQLite file: where it is opened, written by one thread and read by a few connections. Knows no table.
//!
//! Several processes may have the same file open (`up`, `label`, `events tail`): WAL lets them read at any time, and
//! writers wait for each other.

mod fault;
mod schema;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::error::{Result, internal};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

pub(crate) use fault::{Fault, file_error};
use writer::Writer;

/// How long a connection waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// Reads at a time; each may hold one connection with its page cache.
const READERS: usize = 8;

/// A handle on the file; clones share it.
#[derive(Clone)]
pub(crate) struct Database(Arc<Shared>);

struct Shared {
    path: PathBuf,
    // Closed before the writer, which tidies the file up when it is the last to close it.
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    writer: Writer,
}

impl Database {
    /// Opens `path`, making the file and its tables where they are missing, and lets `first` write before anybody else.
    pub(crate) fn open(path: &Path, first: impl FnOnce(&Connection) -> Result<(), Fault>) -> Result<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        schema::prepare(&connection)?;
        first(&connection)?;
        let writer = Writer::start(connection)?;
        let (idle, permits) = (Mutex::default(), Semaphore::new(READERS));
        Ok(Self(Arc::new(Shared { path: path.to_owned(), idle, permits, writer })))
    }

    /// Runs `op` in the next transaction and returns once that is durable. What `op` wrote is undone where it fails.
    pub(crate) async fn write<T, F>(&self, op: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.writer.write(op).await
    }

    /// [`Self::write`] for threads outside the async runtime.
    pub(crate) fn write_blocking<T, F>(&self, op: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.writer.write_blocking(op)
    }

    /// Runs `op` on one snapshot, beside any writing.
    pub(crate) async fn read<T, F>(&self, op: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let _permit = self.0.permits.acquire().await.map_err(internal)?;
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.read_blocking(op)).await.map_err(internal)?
    }

    /// [`Self::read`] for threads outside the async runtime.
    pub(crate) fn read_blocking<T, F>(&self, op: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T, Fault>,
    {
        let idle = self.0.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.0.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let answer = snapshot(&connection, op)?;
        // A connection whose read failed is not kept.
        self.0.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(connection);
        Ok(answer)
    }
}

fn snapshot<T>(connection: &Connection, op: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    let transaction = connection.unchecked_transaction()?;
    op(&transaction)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Milliseconds since 1970, the unit of every time in the file.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A duration in the file's unit.
pub(crate) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests;
