//! The tables, and how an older file is brought up to date.
//!
//! Times are milliseconds since 1970. JSON columns hold the domain's own types.

use common::error::{Error, Kind, Result, Retry};
use rusqlite::Connection;

use super::Fault;

/// Step `n` brings a file from version `n` to `n + 1`; a step that was released is never changed.
const STEPS: [&str; 5] = [V1, V2, V3, MESSAGES, FACES];

const V1: &str = "
-- One answer for the same bytes, features, provider and model; requests stand on it.
CREATE TABLE analysis (
    num INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL, features TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (digest, features, provider, model));

-- seq: order of recording, null until then. told: recorded with an event. token, owner, expires_ms: the claim.
CREATE TABLE request (
    num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seen_ms INTEGER NOT NULL,
    accepted TEXT,
    token TEXT, owner TEXT, expires_ms INTEGER,
    seq INTEGER UNIQUE, told INTEGER NOT NULL DEFAULT 0,
    analysis INTEGER REFERENCES analysis (num), request_id TEXT, source TEXT, max_labels INTEGER,
    failure TEXT);
CREATE INDEX request_analysis ON request (analysis);
CREATE INDEX request_seen ON request (seen_ms);
CREATE INDEX request_owner ON request (owner) WHERE owner IS NOT NULL;

-- Lower-case words of the labels that the request numbered seq is answered with.
CREATE TABLE label (word TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (word, seq)) WITHOUT ROWID;

CREATE TABLE outbox (
    num INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, request TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX outbox_request ON outbox (request);

CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (topic, id));
CREATE INDEX message_at ON message (at_ms);
CREATE TABLE consumer (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;

-- What lies behind a consumer's position and is not done. state: flight, waiting or dead.
CREATE TABLE delivery (
    consumer TEXT NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL, next_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, error TEXT,
    PRIMARY KEY (consumer, seq)) WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (consumer, state, next_ms);
CREATE INDEX delivery_seq ON delivery (seq);

-- What was seen in the bucket, so that an unchanged file is not read again.
CREATE TABLE object (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    etag TEXT NOT NULL, taken_ms INTEGER NOT NULL) WITHOUT ROWID;
";

const V2: &str = "
-- JSON list of the topics that a consumer wants; all of them until it is attached again.
ALTER TABLE consumer ADD COLUMN topics TEXT NOT NULL DEFAULT '[]';
";

const V3: &str = "
-- What processors have done, once per processor and event.
CREATE TABLE settled (
    processor TEXT NOT NULL, event_id TEXT NOT NULL, image TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (processor, event_id)) WITHOUT ROWID;
CREATE INDEX settled_image ON settled (image);
CREATE INDEX settled_at ON settled (at_ms);
-- The newest of each kind of event that processors have published about an image.
CREATE TABLE fact (
    image TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (image, kind)) WITHOUT ROWID;
CREATE TABLE review (image TEXT PRIMARY KEY, since_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX review_since ON review (since_ms);
CREATE TABLE audit (num INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX audit_image ON audit (image);
CREATE TABLE phrase (
    language TEXT NOT NULL, phrase TEXT NOT NULL, text TEXT NOT NULL, by TEXT NOT NULL,
    PRIMARY KEY (language, phrase)) WITHOUT ROWID;
";

const MESSAGES: &str = "
-- What is known of people's numbers, under what stands for them. rest: what they may still ask for.
CREATE TABLE number (owner TEXT PRIMARY KEY, stopped INTEGER NOT NULL DEFAULT 0, rest TEXT) WITHOUT ROWID;
CREATE TABLE number_day (
    owner TEXT NOT NULL, day TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (owner, day)) WITHOUT ROWID;
CREATE INDEX number_day_day ON number_day (day);
-- state: sending, unsent or sent. since_ms: the first try whose end is not known. until_ms: the end of the lease.
CREATE TABLE reply (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, at_ms INTEGER NOT NULL, since_ms INTEGER, until_ms INTEGER NOT NULL,
    receipt TEXT) WITHOUT ROWID;
CREATE INDEX reply_receipt ON reply (receipt) WHERE receipt IS NOT NULL;
CREATE INDEX reply_at ON reply (at_ms);
";

const FACES: &str = "
-- Vectors of faces, by whoever made the collection: kept, or being added until ends_ms. No names.
CREATE TABLE face_vector (
    owner TEXT NOT NULL, collection TEXT NOT NULL, mark TEXT NOT NULL,
    added_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
    PRIMARY KEY (owner, collection, mark)) WITHOUT ROWID;
CREATE INDEX face_vector_added ON face_vector (added_ms);
CREATE TABLE face_consent (owner TEXT PRIMARY KEY, agreed_ms INTEGER NOT NULL) WITHOUT ROWID;
-- What was found when a request was first worked on; erased_ms where that is a line of the audit log.
CREATE TABLE face_note (
    owner TEXT NOT NULL, request TEXT NOT NULL, at_ms INTEGER NOT NULL, erased_ms INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (owner, request));
";

/// Sets the file's modes and brings its tables up to date, in one transaction.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    Ok(migrate(connection)?)
}

fn migrate(connection: &Connection) -> Result<(), Fault> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    if version(connection)? == STEPS.len() {
        return Ok(());
    }
    // Looked at again inside the transaction: another process may be doing the same.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version = version(connection)?;
    if version > STEPS.len() {
        let message = "the data folder was written by a newer crosslens; update this one or choose another with --data";
        return Err(Error::new(Kind::Unavailable, message).with_retry(Retry::Never).into());
    }
    for step in STEPS.iter().skip(version) {
        connection.execute_batch(step)?;
    }
    if version < STEPS.len() {
        connection.pragma_update(None, "user_version", STEPS.len())?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn version(connection: &Connection) -> Result<usize, Fault> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
