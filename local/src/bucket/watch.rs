//! Notices files that others put into the bucket. A file is taken when its writing has ended: when the system says so, or
//! when it was found and has not changed for a while. What no event told of (start, overflow) is found by walking.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use common::error::Result;
use notify::{
    Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};
use tracing::{debug, warn};
use walkdir::WalkDir;

use super::{
    DirectoryBucket,
    take::{Change, Ignored, Look, SETTLE, is_closed, look, remembered, write_down},
};
use crate::{
    db::{Database, file_error},
    topics::SqliteTopics,
};

/// Events that may wait; beyond it the folder is walked instead.
const QUEUE: usize = 4096;
/// Changes in one transaction.
const BATCH: usize = 64;
/// Files that may wait to settle; beyond it the folder is walked again.
const UNSETTLED: usize = 4096;
/// Between walks where the system cannot watch the folder.
const BLIND: Duration = Duration::from_secs(10);
/// Linux watches folders one by one and tells of the end of writing; elsewhere whole trees are watched and files settle.
const ONE_BY_ONE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The watching of a bucket; it ends when this is dropped.
#[must_use = "the watching ends when this is dropped"]
pub struct Watch {
    stop: Arc<AtomicBool>,
    ignored: Arc<Ignored>,
}

impl Watch {
    /// What was passed over so far.
    pub fn ignored(&self) -> &Ignored {
        &self.ignored
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What an event means.
enum Notice {
    /// A file's writing has ended.
    Ready(PathBuf),
    /// Something is or was there.
    Touched(PathBuf),
    /// A folder appeared.
    Folder(PathBuf),
}

impl DirectoryBucket {
    /// Begins to watch. Each object that is ready is announced once on [`super::OBJECT_CREATED`], durably.
    pub(crate) fn watch(&self, db: &Database, topics: &SqliteTopics) -> Result<Watch> {
        let (notices, queue) = sync_channel(QUEUE);
        let (stop, ignored, lost) =
            (Arc::<AtomicBool>::default(), Arc::<Ignored>::default(), Arc::<AtomicBool>::default());
        let config = Config::default().with_follow_symlinks(false);
        let forward = forward(notices, lost.clone());
        let watcher = match RecommendedWatcher::new(forward, config) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                warn!(%error, "the bucket cannot be watched and is looked through from time to time");
                None
            }
        };
        let taker = Taker {
            root: self.0.root.clone(),
            max_bytes: self.0.max_bytes,
            db: db.clone(),
            topics: topics.clone(),
            ignored: ignored.clone(),
            blind: watcher.is_none(),
            watcher,
            lost,
            stop: stop.clone(),
            changes: Vec::new(),
            unsettled: HashMap::new(),
            walk_at: Some(Instant::now()),
        };
        let run = move || taker.run(&queue);
        thread::Builder::new().name("bucket-watch".to_owned()).spawn(run).map_err(file_error)?;
        Ok(Watch { stop, ignored })
    }
}

/// Puts what matters into the queue; where it is full, or the system lost events, says so instead.
fn forward(notices: SyncSender<Notice>, lost: Arc<AtomicBool>) -> impl FnMut(notify::Result<notify::Event>) + Send {
    move |event| {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            _ => return lost.store(true, Ordering::Relaxed),
        };
        let Some(path) = event.paths.into_iter().next_back() else { return };
        let notice = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => Notice::Ready(path),
            EventKind::Create(CreateKind::Folder) => Notice::Folder(path),
            // A file that was moved here is whole.
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) if ONE_BY_ONE => Notice::Ready(path),
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) if ONE_BY_ONE => return,
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => {
                Notice::Touched(path)
            }
            EventKind::Modify(_) if !ONE_BY_ONE => Notice::Touched(path),
            _ => return,
        };
        if let Err(TrySendError::Full(_)) = notices.try_send(notice) {
            lost.store(true, Ordering::Relaxed);
        }
    }
}

struct Taker {
    root: PathBuf,
    max_bytes: usize,
    db: Database,
    topics: SqliteTopics,
    ignored: Arc<Ignored>,
    watcher: Option<RecommendedWatcher>,
    /// The system cannot tell of everything.
    blind: bool,
    lost: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    changes: Vec<Change>,
    unsettled: HashMap<PathBuf, Instant>,
    walk_at: Option<Instant>,
}

impl Taker {
    fn run(mut self, queue: &Receiver<Notice>) {
        if !ONE_BY_ONE {
            self.add_watch(&self.root.clone(), RecursiveMode::Recursive);
        }
        self.prune();
        while !self.is_stopped() {
            if self.lost.swap(false, Ordering::Relaxed) || self.walk_at.is_some_and(|at| at <= Instant::now()) {
                self.walk_at = self.blind.then(|| Instant::now() + BLIND);
                self.walk(&self.root.clone());
            }
            self.settle();
            if self.changes.is_empty() || self.changes.len() >= BATCH {
                self.flush();
            }
            // With changes in hand only what is there already is added to them.
            let wait = if self.changes.is_empty() { Duration::from_millis(100) } else { Duration::ZERO };
            match queue.recv_timeout(wait) {
                Ok(Notice::Ready(path)) if is_folder(&path) => self.walk(&path),
                Ok(Notice::Ready(path)) => self.consider(&path, true),
                Ok(Notice::Folder(path)) => self.walk(&path),
                Ok(Notice::Touched(path)) => self.touched(&path),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) if self.watcher.is_some() => return,
                Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(100)),
            }
        }
        self.flush();
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Watches and looks through a folder and what lies below, holding one entry at a time.
    fn walk(&mut self, folder: &Path) {
        let root = self.root.clone();
        let entries = WalkDir::new(folder).follow_links(false).follow_root_links(false).into_iter();
        for entry in entries.filter_entry(|entry| !entry.file_type().is_dir() || !is_closed(&root, entry.path())) {
            if self.is_stopped() {
                return;
            }
            match entry {
                // Watched before it is listed: what comes later is told, what came earlier is listed.
                Ok(entry) if entry.file_type().is_dir() && ONE_BY_ONE => {
                    self.add_watch(entry.path(), RecursiveMode::NonRecursive);
                }
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => self.consider(entry.path(), false),
                Err(error) => debug!(%error, "a part of the bucket cannot be read"),
            }
            if self.changes.len() >= BATCH {
                self.flush();
            }
        }
    }

    fn add_watch(&mut self, folder: &Path, mode: RecursiveMode) {
        let Some(watcher) = &mut self.watcher else { return };
        if let Err(error) = watcher.watch(folder, mode)
            && folder.exists()
            && !self.blind
        {
            warn!(%error, "the bucket has more folders than the system can watch; it is looked through from time to time");
            self.blind = true;
            self.walk_at = Some(Instant::now() + BLIND);
        }
    }

    /// Something happened that does not say whether writing has ended.
    fn touched(&mut self, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            // A hard link is whole, and no end of writing will be told.
            Ok(metadata) if ONE_BY_ONE && !is_link_to_file(&metadata) => {}
            _ => self.consider(path, false),
        }
    }

    fn consider(&mut self, path: &Path, told: bool) {
        match look(&self.db, &self.ignored, &self.root, self.max_bytes, path, told) {
            Ok(Look::Nothing) => {}
            Ok(Look::Change(change)) => self.changes.push(change),
            Ok(Look::Unsettled) => self.later(path),
            Err(error) => {
                warn!(%error, cause = error.causes(), "a file in the bucket cannot be taken in now");
                self.later(path);
            }
        }
    }

    fn later(&mut self, path: &Path) {
        let at = Instant::now() + SETTLE;
        if self.unsettled.len() < UNSETTLED {
            self.unsettled.insert(path.to_owned(), at);
        } else {
            self.walk_at = Some(at);
        }
    }

    fn settle(&mut self) {
        let now = Instant::now();
        let due: VecDeque<PathBuf> = self.unsettled.extract_if(|_, at| *at <= now).map(|(path, _)| path).collect();
        for path in due {
            self.consider(&path, false);
        }
    }

    /// Forgets files that went while nobody watched.
    fn prune(&mut self) {
        let mut after = String::new();
        loop {
            let Ok(keys) = self.db.read_blocking(|connection| remembered(connection, &after, 500)) else { return };
            let Some(last) = keys.last() else { return };
            after = last.clone();
            for key in keys {
                let path = self.root.join(&key);
                if fs::symlink_metadata(path).is_err() {
                    self.changes.push(Change::Gone { key });
                }
            }
            self.flush();
        }
    }

    /// Writes the changes down, again and again where the disk is full: nothing else can be done without it.
    fn flush(&mut self) {
        while !self.changes.is_empty() && !self.is_stopped() {
            let changes = self.changes.clone();
            match self.db.write_blocking(move |connection| write_down(connection, &changes)) {
                Ok(()) => {
                    self.changes.clear();
                    self.topics.wake();
                }
                Err(error) => {
                    warn!(%error, cause = error.causes(), "files in the bucket cannot be taken in now");
                    thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }
}

/// A folder, not a link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(unix)]
fn is_link_to_file(metadata: &fs::Metadata) -> bool {
    metadata.is_file() && std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn is_link_to_file(_: &fs::Metadata) -> bool {
    false
}
