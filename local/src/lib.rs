//! A cloud on one machine: a folder as the bucket, SQLite as the ledger and as the topics. All of it lies in one data
//! folder, which several processes may use at a time. Knows nothing of images; the pipeline does.
//!
//! # The data folder
//! `bucket/` the user's pictures and what is derived from them; `crosslens.db` (with `-wal` and `-shm`) everything that is
//! remembered; `staging/` objects while they are written; `lock`, `processes/` and `processes.lock` who is here.

mod bucket;
mod db;
mod ledger;
mod owner;
mod topics;

use std::{fs, path::Path, sync::Arc, time::Duration};

use common::{
    error::{Error, Kind, Result},
    intake::Limits,
};

pub use bucket::{BUCKET, DirectoryBucket, Ignored, OBJECT_CREATED, ObjectCreated, Watch, etag, object};
pub use ledger::{SqliteLedger, TellingJournal};
pub use topics::{DeadLetter, From, Handle, Message, Replay, Retries, SqliteTopics, Subscription, Tail};

const FILE: &str = "crosslens.db";

/// The open data folder. Each part is cheap to clone. The folder counts as in use until the ledger's last clone is dropped.
#[derive(Clone)]
pub struct Local {
    /// `Ledger`, `Inbox`, `Outbox`, `Archive` and `Index`.
    pub ledger: SqliteLedger,
    /// `Publish`, consumers and followers.
    pub topics: SqliteTopics,
    /// `Fetch` of objects, and `Store`.
    pub bucket: DirectoryBucket,
    db: db::Database,
}

impl Local {
    /// Opens `dir` as its one server, making it where it is missing. A second server is refused; other users are not.
    pub fn open(dir: &Path, limits: &Limits) -> Result<Self> {
        let local = Self::enter(dir, limits, true)?;
        local.bucket.sweep_staging()?;
        Ok(local)
    }

    /// Opens `dir` beside whoever else uses it, making it where it is missing.
    pub fn open_shared(dir: &Path, limits: &Limits) -> Result<Self> {
        Self::enter(dir, limits, false)
    }

    /// [`Self::open_shared`] for those who only look: a folder without anything in it is `not-found`.
    pub fn open_existing(dir: &Path) -> Result<Self> {
        if !dir.join(FILE).exists() {
            let message = "nothing is kept in this data folder; name the one that `crosslens up` uses with --data";
            return Err(Error::new(Kind::NotFound, message));
        }
        Self::enter(dir, &Limits::default(), false)
    }

    fn enter(dir: &Path, limits: &Limits, exclusive: bool) -> Result<Self> {
        fs::create_dir_all(dir).map_err(db::file_error)?;
        let entering = owner::Entering::begin(dir, exclusive)?;
        let dead = entering.dead();
        let db = db::Database::open(&dir.join(FILE), |connection| SqliteLedger::expire(connection, &dead))?;
        let bucket = DirectoryBucket::open(dir, limits.max_bytes)?;
        let ledger = SqliteLedger::new(db.clone(), Arc::new(entering.end()));
        Ok(Self { ledger, topics: SqliteTopics::new(db.clone()), bucket, db })
    }

    /// `Journal`, which publishes on these topics what it settles.
    pub fn journal(&self) -> TellingJournal {
        TellingJournal { ledger: self.ledger.clone(), topics: self.topics.clone() }
    }

    /// Begins to announce what is put into the bucket on [`OBJECT_CREATED`]. One process does this at a time.
    pub fn watch(&self) -> Result<Watch> {
        self.bucket.watch(&self.db, &self.topics)
    }

    /// Forgets requests, and messages that everybody has had, that are older than `age`; returns how many of each.
    pub async fn purge(&self, age: Duration) -> Result<(usize, usize)> {
        Ok((self.ledger.purge(age).await?, self.topics.purge(age).await?))
    }
}
