//! Taking one file in: is it ready, is it new, what is its entity tag; and the one write that remembers and announces it.

use std::{
    fs::{self, Metadata},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use common::error::{Kind, Result};
use rusqlite::{Connection, OptionalExtension, params};

use super::{DERIVED, OBJECT_CREATED, ObjectCreated, etag, key, read};
use crate::{
    db::{Database, Fault, ms, now_ms},
    topics::append,
};

/// A file that is found, not told of, is taken when nobody has written to it for this long. It is also the time within
/// which two writings may leave the same time of change behind.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

/// How many files were passed over, and why. One file may count more than once.
#[derive(Debug, Default)]
pub struct Ignored {
    hidden: AtomicU64,
    unfinished: AtomicU64,
    empty: AtomicU64,
    other: AtomicU64,
}

impl Ignored {
    /// Reason and count: `hidden`, `unfinished` (by name), `empty`, `other` (links, pipes, names that are no keys).
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("hidden", count(&self.hidden)),
            ("unfinished", count(&self.unfinished)),
            ("empty", count(&self.empty)),
            ("other", count(&self.other)),
        ]
    }
}

/// What is to be written down about a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Its content is new, or may be.
    Taken { created: ObjectCreated, stamp: Stamp, announce: bool },
    /// It is not there any more, nor is anything below it.
    Gone { key: String },
}

/// What a look at a file gave.
pub(super) enum Look {
    Nothing,
    Change(Change),
    /// Somebody may still be writing.
    Unsettled,
}

/// Tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: i64,
    mtime_ns: i64,
    inode: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let mtime = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let clamp = |value: u128| i64::try_from(value).unwrap_or(i64::MAX);
        Self { size: clamp(metadata.len().into()), mtime_ns: clamp(mtime.as_nanos()), inode: inode(metadata) }
    }

    /// Whether a write at `at_ms` could have left the same stamp behind.
    fn is_fresh(self, at_ms: i64) -> bool {
        at_ms.saturating_sub(self.mtime_ns / 1_000_000).abs() < ms(SETTLE)
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> i64 {
    std::os::unix::fs::MetadataExt::ino(metadata).cast_signed()
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> i64 {
    0
}

/// The key of `path`, if it has one.
pub(super) fn key_of(root: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).filter(|key| !key.is_empty())
}

/// Whether nothing below this folder is ever taken in.
pub(super) fn is_closed(root: &Path, folder: &Path) -> bool {
    key_of(root, folder)
        .is_some_and(|key| format!("{key}/") == DERIVED || key.split('/').any(|part| part.starts_with('.')))
}

/// Looks at a file. `told` says that the system has reported the end of its writing.
pub(super) fn look(
    db: &Database,
    ignored: &Ignored,
    root: &Path,
    max_bytes: usize,
    path: &Path,
    told: bool,
) -> Result<Look> {
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Look::Nothing)
    };
    let Some(key) = key_of(root, path) else { return count(&ignored.other) };
    if key.starts_with(DERIVED) {
        return Ok(Look::Nothing);
    }
    if key.split('/').any(|part| part.starts_with('.')) {
        return count(&ignored.hidden);
    }
    if key::is_unfinished(&key) {
        return count(&ignored.unfinished);
    }
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(Look::Change(Change::Gone { key })) };
    if key::check(&key).is_err() || !metadata.is_file() {
        return if metadata.is_dir() { Ok(Look::Nothing) } else { count(&ignored.other) };
    }
    let (stamp, now) = (Stamp::of(&metadata), now_ms());
    let known = db.read_blocking(|connection| known(connection, &key))?;
    if known.as_ref().is_some_and(|(old, _, taken_ms)| *old == stamp && !stamp.is_fresh(*taken_ms)) {
        return Ok(Look::Nothing);
    }
    if !told && stamp.is_fresh(now) {
        return Ok(Look::Unsettled);
    }
    if metadata.len() == 0 {
        return count(&ignored.empty);
    }
    let etag = match read(path, max_bytes) {
        Ok((bytes, read)) if Stamp::of(&read) == stamp => etag(&bytes),
        // It is not read, and not labelled either, but the refusal belongs to this version of it.
        Err(error) if error.kind() == Kind::TooLarge => etag(format!("{stamp:?}").as_bytes()),
        Err(error) if error.kind() != Kind::SourceNotFound => return Err(error),
        _ => return Ok(Look::Unsettled),
    };
    if fs::symlink_metadata(path).is_ok_and(|after| Stamp::of(&after) != stamp) {
        return Ok(Look::Unsettled);
    }
    // The same bytes put there again are announced again: what was erased meanwhile is labelled anew.
    let announce = known.is_none_or(|(old, tag, _)| old != stamp || tag != etag);
    Ok(Look::Change(Change::Taken { created: ObjectCreated { key, etag, size: metadata.len() }, stamp, announce }))
}

fn known(connection: &Connection, key: &str) -> Result<Option<(Stamp, String, i64)>, Fault> {
    let sql = "SELECT size, mtime_ns, inode, etag, taken_ms FROM object WHERE key = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let stamp = Stamp { size: row.get(0)?, mtime_ns: row.get(1)?, inode: row.get(2)? };
        Ok((stamp, row.get(3)?, row.get(4)?))
    };
    Ok(connection.prepare_cached(sql)?.query_row([key], read).optional()?)
}

/// Remembers and announces in one transaction: what is remembered is never lost, and what is lost is found again.
pub(super) fn write_down(connection: &Connection, changes: &[Change]) -> Result<(), Fault> {
    for change in changes {
        match change {
            Change::Gone { key } => {
                // `0` follows `/`: everything below the key.
                let sql = "DELETE FROM object WHERE key = ?1 OR (key > ?1 || '/' AND key < ?1 || '0')";
                connection.prepare_cached(sql)?.execute([key])?;
            }
            Change::Taken { created: ObjectCreated { key, etag, size: _ }, stamp, announce: _ } => {
                let sql = "INSERT OR REPLACE INTO object (key, size, mtime_ns, inode, etag, taken_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let values = params![key, stamp.size, stamp.mtime_ns, stamp.inode, etag, now_ms()];
                connection.prepare_cached(sql)?.execute(values)?;
            }
        }
        if let Change::Taken { created, stamp, announce: true } = change {
            let id = format!("{}@{}/{}.{}", created.key, created.etag, stamp.mtime_ns, stamp.inode);
            append(connection, OBJECT_CREATED, &id, &serde_json::to_string(created)?)?;
        }
    }
    Ok(())
}

/// Up to `limit` remembered keys behind `after`, in their order.
pub(super) fn remembered(connection: &Connection, after: &str, limit: usize) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached("SELECT key FROM object WHERE key > ?1 ORDER BY key LIMIT ?2")?;
    let rows = statement.query_map(params![after, limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
