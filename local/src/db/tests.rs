//! Durability, group commit and the faults of the one file.

use std::{fs, sync::Arc};

use common::error::{Kind, Retry};
use tokio::task::JoinSet;

use super::*;

fn open(dir: &tempfile::TempDir) -> Database {
    let table = "CREATE TABLE IF NOT EXISTS t (n INTEGER UNIQUE, fill BLOB)";
    Database::open(&dir.path().join("test.db"), |connection| Ok(connection.execute_batch(table)?)).unwrap()
}

fn insert(n: usize) -> impl FnOnce(&Connection) -> Result<(), Fault> + Send {
    move |connection| {
        connection.execute("INSERT INTO t (n, fill) VALUES (?1, zeroblob(3000))", [n])?;
        Ok(())
    }
}

async fn count(database: &Database) -> usize {
    database.read(|c| Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_undoes_itself_and_not_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    let mut tasks = JoinSet::new();
    for n in 0..300 {
        let database = database.clone();
        tasks.spawn(async move {
            let write = move |connection: &Connection| {
                insert(n)(connection)?;
                match n % 3 {
                    0 => Ok(()),
                    1 => Err(Fault::Domain(common::error::internal("refused"))),
                    _ => panic!("in a write"),
                }
            };
            (n % 3 == 0) == database.write(write).await.is_ok()
        });
    }
    assert!(tasks.join_all().await.into_iter().all(|as_expected| as_expected));
    assert_eq!(count(&database).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let database = Arc::new(open(&dir));
    let limit = |pages: usize| {
        move |c: &Connection| Ok(c.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
    };
    database.write(limit(60)).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let database = database.clone();
        tasks.spawn(async move { database.write(insert(n)).await });
    }
    let results = tasks.join_all().await;
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert!(!failed.is_empty());
    for error in failed.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Later));
        assert!(error.message().contains("free"), "{error}");
    }
    assert_eq!(count(&database).await, done.len(), "what was confirmed is there, and nothing else");
    database.write(limit(100_000)).await.unwrap();
    database.write(insert(1000)).await.unwrap();
}

#[test]
fn an_unusable_file_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &Path, kind, says: &str| {
        let error = Database::open(path, |_| Ok(())).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error} {}", error.causes());
        assert!(error.message().contains(says), "{error}");
    };
    let garbage = dir.path().join("garbage.db");
    fs::write(&garbage, "this is no database, and long enough to see it".repeat(100)).unwrap();
    check(&garbage, Kind::Unavailable, "backup");
    check(dir.path(), Kind::Unavailable, "--data");
    check(&dir.path().join("missing/test.db"), Kind::Unavailable, "--data");

    let newer = dir.path().join("newer.db");
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    check(&newer, Kind::Unavailable, "update");

    let damaged = dir.path().join("damaged.db");
    drop(Database::open(&damaged, |_| Ok(())).unwrap());
    assert!(!dir.path().join("damaged.db-wal").exists(), "closing leaves one whole file");
    // Only where messages lie, so that it is reading them that finds the damage.
    let pages: Vec<usize> = {
        let connection = Connection::open(&damaged).unwrap();
        let mut pages = connection.prepare("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'message'").unwrap();
        pages.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut bytes = fs::read(&damaged).unwrap();
    for page in pages {
        bytes[(page - 1) * 4096..page * 4096].fill(0xff);
    }
    fs::write(&damaged, bytes).unwrap();
    let database = Database::open(&damaged, |_| Ok(())).unwrap();
    let read = database.read_blocking(|c| {
        Ok(c.query_row("SELECT count(*) FROM message WHERE topic = 'x'", [], |row| row.get::<_, i64>(0))?)
    });
    let error = read.unwrap_err();
    assert!(error.message().contains("damaged"), "{error} {}", error.causes());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_on_one_file_wait_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let handles = [open(&dir), open(&dir)];
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let database = handles[n % 2].clone();
        tasks.spawn(async move { database.write(insert(n)).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(count(&handles[0]).await, 200);
    assert_eq!(count(&handles[1]).await, 200);
}
