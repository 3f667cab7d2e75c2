//! The bucket on a real folder: keys, links, replacement, what is taken in and what is not.

use std::{
    collections::BTreeMap,
    io::Write as _,
    time::{Duration, Instant},
};

use common::{
    intake::Limits,
    ports::{Originals, suites},
};

use super::*;
use crate::{From, Local, Tail};

const SOON: Duration = Duration::from_secs(30);

fn open(dir: &tempfile::TempDir) -> Local {
    Local::open(dir.path(), &Limits { max_bytes: 200_000, ..Limits::default() }).unwrap()
}

fn object_of(key: &str, bytes: &[u8]) -> ImageSource {
    ImageSource::Object(object(key, etag(bytes)))
}

#[tokio::test(flavor = "multi_thread")]
async fn behaves_as_every_store_and_source() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(&dir);
    let root = local.bucket.root().to_owned();
    suites::store(&local.bucket, async |key: &str| fs::read(root.join(key)).ok().map(Bytes::from)).await;
    fs::write(root.join("cat.jpg"), b"a cat").unwrap();
    fs::write(root.join("large.jpg"), vec![0; 200_001]).unwrap();
    let present = object_of("cat.jpg", b"a cat");
    let (missing, large) = (object_of("dog.jpg", b"a cat"), object_of("large.jpg", b""));
    suites::fetch(&local.bucket, (&present, b"a cat"), &missing, &large).await;
    let replaced = local.bucket.fetch(&object_of("cat.jpg", b"an older cat")).await.unwrap_err();
    assert_eq!(replaced.kind(), Kind::SourceNotFound);
    assert_eq!(fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn links_and_pipes_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let local = open(&dir);
    let root = local.bucket.root().to_owned();
    symlink(outside.path().join("secret"), root.join("file.jpg")).unwrap();
    symlink(outside.path(), root.join("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(root.join("pipe.jpg")).status().unwrap().success());
    for key in ["file.jpg", "folder/secret", "pipe.jpg"] {
        let refused = local.bucket.fetch(&object_of(key, b"secret")).await.unwrap_err();
        assert!(matches!(refused.kind(), Kind::SourceNotFound | Kind::InvalidRequest), "{key}: {refused}");
    }
    let put = local.bucket.put("folder/new", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(put.kind(), Kind::InvalidRequest);
    assert!(!outside.path().join("new").exists());
    // Replacing a link replaces the link, not what it leads to.
    local.bucket.put("file.jpg", Bytes::from_static(b"mine")).await.unwrap();
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read(root.join("file.jpg")).unwrap(), b"mine");
}

async fn follow(local: &Local) -> Tail {
    local.topics.tail(&[OBJECT_CREATED], From::Start).await.unwrap()
}

/// The next announcements until each of `expected` (key and content) has come; another key or a repetition is a failure.
async fn announced(tail: &mut Tail, expected: &[(&str, &[u8])]) {
    let mut missing: BTreeMap<(String, String), u64> =
        expected.iter().map(|(key, bytes)| (((*key).to_owned(), etag(bytes)), bytes.len() as u64)).collect();
    while !missing.is_empty() {
        let next = tokio::time::timeout(SOON, tail.next()).await;
        let created: ObjectCreated =
            next.unwrap_or_else(|_| panic!("not announced: {missing:?}")).unwrap().parse().unwrap();
        let size = missing.remove(&(created.key.clone(), created.etag.clone()));
        assert_eq!(size, Some(created.size), "{created:?}");
    }
}

async fn quiet(tail: &mut Tail) {
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert_eq!(tail.try_next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_there_is_announced_once_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(&dir);
    let root = local.bucket.root().to_owned();
    fs::create_dir_all(root.join("before/deep")).unwrap();
    fs::write(root.join("before/deep/a.jpg"), b"before").unwrap();
    let mut tail = follow(&local).await;
    let watch = local.watch().unwrap();
    announced(&mut tail, &[("before/deep/a.jpg", b"before")]).await;

    // Slowly, in pieces.
    let mut file = File::create(root.join("slow.jpg")).unwrap();
    for _ in 0..5 {
        file.write_all(b"piece").unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(tail.try_next().await.unwrap(), None, "its writing has not ended");
    drop(file);
    announced(&mut tail, &[("slow.jpg", b"piecepiecepiecepiecepiece")]).await;

    // Through the port, by a rename, as a hard link, in a new folder that is made at once, in one that is moved here.
    local.bucket.put("inbox/put.jpg", Bytes::from_static(b"put")).await.unwrap();
    fs::write(root.join("download.part"), b"downloaded").unwrap();
    fs::rename(root.join("download.part"), root.join("downloaded.jpg")).unwrap();
    fs::write(dir.path().join("outside.jpg"), b"linked").unwrap();
    fs::hard_link(dir.path().join("outside.jpg"), root.join("linked.jpg")).unwrap();
    fs::create_dir_all(root.join("x/y/z")).unwrap();
    fs::write(root.join("x/y/z/new.jpg"), b"new").unwrap();
    fs::create_dir_all(dir.path().join("album/inner")).unwrap();
    fs::write(dir.path().join("album/inner/moved.jpg"), b"moved").unwrap();
    fs::rename(dir.path().join("album"), root.join("album")).unwrap();
    let expected: [(&str, &[u8]); 5] = [
        ("inbox/put.jpg", b"put"),
        ("downloaded.jpg", b"downloaded"),
        ("linked.jpg", b"linked"),
        ("x/y/z/new.jpg", b"new"),
        ("album/inner/moved.jpg", b"moved"),
    ];
    announced(&mut tail, &expected).await;
    fs::write(root.join("album/inner/later.jpg"), b"later").unwrap();
    announced(&mut tail, &[("album/inner/later.jpg", b"later")]).await;

    // Rewritten: in place and of the same size, by a rename over it, under another name.
    fs::write(root.join("slow.jpg"), b"PIECEpiecepiecepiecepiece").unwrap();
    announced(&mut tail, &[("slow.jpg", b"PIECEpiecepiecepiecepiece")]).await;
    local.bucket.put("slow.jpg", Bytes::from_static(b"over")).await.unwrap();
    announced(&mut tail, &[("slow.jpg", b"over")]).await;
    fs::rename(root.join("slow.jpg"), root.join("renamed.jpg")).unwrap();
    announced(&mut tail, &[("renamed.jpg", b"over")]).await;

    // Never.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path().join("outside.jpg"), root.join("link.jpg")).unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::write(dir.path().join("elsewhere/a.jpg"), b"elsewhere").unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("link")).unwrap();
        fs::rename(dir.path().join("link"), root.join("link")).unwrap();
    }
    let before: u64 = watch.ignored().counts().iter().map(|(_, count)| count).sum();
    local.bucket.put("derived/blurred.jpg", Bytes::from_static(b"ours")).await.unwrap();
    fs::write(root.join(".hidden.jpg"), b"hidden").unwrap();
    fs::create_dir(root.join(".git")).unwrap();
    fs::write(root.join(".git/a.jpg"), b"hidden").unwrap();
    for name in ["a.tmp", "b.part", "c.jpg~"] {
        fs::write(root.join(name), b"unfinished").unwrap();
    }
    fs::write(root.join("empty.jpg"), b"").unwrap();
    File::options().append(true).open(root.join("renamed.jpg")).unwrap();
    quiet(&mut tail).await;
    let counts: BTreeMap<_, _> = watch.ignored().counts().into();
    assert!(
        counts.values().sum::<u64>() > before
            && counts["hidden"] > 0
            && counts["unfinished"] > 2
            && counts["empty"] > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_nobody_watched_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(&dir);
    let root = local.bucket.root().to_owned();
    let mut tail = follow(&local).await;
    let watch = local.watch().unwrap();
    for n in 0..300 {
        fs::write(root.join(format!("{n}.jpg")), format!("picture {n}")).unwrap();
    }
    let contents: Vec<_> = (0..300).map(|n| (format!("{n}.jpg"), format!("picture {n}"))).collect();
    let expected: Vec<(&str, &[u8])> =
        contents.iter().map(|(key, content)| (key.as_str(), content.as_bytes())).collect();
    announced(&mut tail, &expected).await;
    drop(watch);
    tokio::time::sleep(Duration::from_millis(300)).await;

    fs::remove_file(root.join("0.jpg")).unwrap();
    fs::write(root.join("1.jpg"), "rewritten").unwrap();
    fs::write(root.join("new.jpg"), "new").unwrap();
    let _watch = local.watch().unwrap();
    announced(&mut tail, &[("1.jpg", b"rewritten"), ("new.jpg", b"new")]).await;
    quiet(&mut tail).await;
    let started = Instant::now();
    let count =
        |c: &rusqlite::Connection| Ok(c.query_row("SELECT count(*) FROM object", [], |row| row.get::<_, i64>(0))?);
    while local.db.read(count).await.unwrap() != 300 {
        assert!(started.elapsed() < SOON, "the removed file is forgotten and the new one is known");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_announced_and_refused_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(&dir);
    fs::write(local.bucket.root().join("large.jpg"), vec![1; 200_001]).unwrap();
    let mut tail = follow(&local).await;
    let _watch = local.watch().unwrap();
    let message = tokio::time::timeout(SOON, tail.next()).await.unwrap().unwrap();
    let created: ObjectCreated = message.parse().unwrap();
    let refused = local.bucket.fetch(&ImageSource::Object(created.object())).await.unwrap_err();
    assert_eq!((created.size, refused.kind()), (200_001, Kind::TooLarge));
}

#[tokio::test]
async fn what_is_held_is_out_of_its_place_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (bucket, key) = (&open(&dir).bucket, "pets/cat.png");
    bucket.put(key, Bytes::from_static(b"cat")).await.unwrap();
    let cat = object(key, etag(b"cat"));
    for _ in 0..2 {
        bucket.hold(&cat).await.unwrap();
    }
    assert!(!bucket.root().join(key).exists());
    assert_eq!(bucket.fetch(&ImageSource::Object(cat.clone())).await.unwrap(), b"cat"[..], "reviewers still see it");
    for _ in 0..2 {
        bucket.release(&cat).await.unwrap();
    }
    assert_eq!(fs::read(bucket.root().join(key)).unwrap(), b"cat");
    assert!(!bucket.root().join("derived/held").join(key).exists());

    // What came to lie there meanwhile is not replaced.
    bucket.hold(&cat).await.unwrap();
    bucket.put(key, Bytes::from_static(b"dog")).await.unwrap();
    bucket.release(&cat).await.unwrap();
    assert_eq!(fs::read(bucket.root().join(key)).unwrap(), b"dog");
    // A crash between the link and the removal leaves both.
    fs::write(bucket.root().join(key), b"cat").unwrap();
    bucket.release(&cat).await.unwrap();
    assert!(!bucket.root().join("derived/held").join(key).exists());
    bucket.hold(&object("nothing.png", String::new())).await.unwrap();
    bucket.release(&object("nothing.png", String::new())).await.unwrap();
}
