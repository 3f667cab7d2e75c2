//! The one writing thread: everything that waits goes into one transaction, so that one flush to disk serves many.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use common::error::{Error, Result, internal};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Fault, file_error};

/// Operations that may wait; beyond it writers wait for a place.
const QUEUE: usize = 1024;
/// Operations in one transaction.
const BATCH: usize = 256;

/// What the thread does for one caller: runs inside a transaction (or learns that there is none), and then waits for the commit.
type Job = Box<dyn FnOnce(Result<&Connection, &Error>) -> Option<Answer> + Send>;
/// Tells the caller how the commit went.
type Answer = Box<dyn FnOnce(Result<(), &Error>) + Send>;

/// The thread and its queue; dropping it waits for what is queued, and closes the connection.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let run = move || serve(&connection, waiting);
        let thread = thread::Builder::new().name("ledger-writer".to_owned()).spawn(run).map_err(file_error)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    fn jobs(&self) -> Result<&mpsc::Sender<Job>> {
        self.jobs.as_ref().ok_or_else(gone)
    }

    pub(super) async fn write<T, F>(&self, op: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (job, answer) = job(op);
        self.jobs()?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(internal)?
    }

    pub(super) fn write_blocking<T, F>(&self, op: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (job, answer) = job(op);
        self.jobs()?.blocking_send(job).map_err(|_| gone())?;
        answer.blocking_recv().map_err(internal)?
    }
}

fn gone() -> Error {
    internal("the writing thread is gone")
}

fn job<T, F>(op: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = move |begun: Result<&Connection, &Error>| -> Option<Answer> {
        // Who no longer waits is not told; that is no failure.
        match begun.map_err(Error::clone).and_then(|connection| contained(connection, op)) {
            Err(error) => {
                drop(sender.send(Err(error)));
                None
            }
            Ok(value) => Some(Box::new(move |committed: Result<(), &Error>| {
                drop(sender.send(committed.map(|()| value).map_err(Error::clone)));
            })),
        }
    };
    (Box::new(job), receiver)
}

/// Runs `op` so that its failure, or its panic, undoes what it wrote and nothing else.
fn contained<T>(connection: &Connection, op: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
    execute(connection, "SAVEPOINT op")?;
    let result = catch_unwind(AssertUnwindSafe(|| op(connection)))
        .unwrap_or_else(|_| Err(Fault::Domain(internal("a panic in a write"))));
    // Where SQLite has undone the whole transaction by itself, there is no savepoint left to close.
    if result.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO op")?;
    }
    if !connection.is_autocommit() {
        execute(connection, "RELEASE op")?;
    }
    Ok(result?)
}

fn serve(connection: &Connection, mut waiting: mpsc::Receiver<Job>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let mut batch = batch.into_iter();
        // More than one round only where SQLite has undone a transaction half way through the batch.
        while batch.len() > 0 {
            let mut answers = Vec::new();
            let committed = transaction(connection, &mut batch, &mut answers);
            if committed.is_err() && !connection.is_autocommit() {
                let _ = execute(connection, "ROLLBACK");
            }
            for answer in answers {
                answer(committed.as_ref().copied());
            }
        }
    }
}

fn transaction(
    connection: &Connection,
    batch: &mut dyn ExactSizeIterator<Item = Job>,
    answers: &mut Vec<Answer>,
) -> Result<()> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        for job in batch {
            job(Err(&error));
        }
        return Err(error);
    }
    for job in batch {
        answers.extend(job(Ok(connection)));
        if connection.is_autocommit() {
            return Err(super::fault::undone());
        }
    }
    execute(connection, "COMMIT")
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    let run = || connection.prepare_cached(sql)?.execute([]);
    run().map(|_| ()).map_err(|error| Fault::from(error).into())
}
