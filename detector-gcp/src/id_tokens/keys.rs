//! Google's public keys in memory: when they are asked for, who waits for the answer, and what holds without one.
//!
//! # Behavior
//! - One fetch runs at a time, whoever wants it, and it outlives the request that began it. Keys that are held are read
//!   without waiting for it.
//! - Keys are renewed behind the requests in the last fifth of their life. There is no timer: Cloud Run gives a processor
//!   only while a request is worked on.
//! - A key id that nobody knows makes us ask again, at most every 30 s, because any stranger can invent one.
//! - When the key server fails, keys hold for an hour longer than they should: as long as the last token that could have been
//!   signed in their life. After that nobody is let in.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use common::error::{Error, Kind, Result};
use jsonwebtoken::DecodingKey;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

/// How long keys hold beyond their life when there are no newer ones to be had.
const GRACE: Duration = Duration::from_secs(60 * 60);
/// How long a key server is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(2);
/// How often unknown key ids may make us ask.
const UNKNOWN: Duration = Duration::from_secs(30);

/// Where the keys come from.
#[async_trait]
pub(super) trait KeyServer: fmt::Debug + Send + Sync + 'static {
    /// All keys that are valid now; gives up by itself after a few seconds.
    async fn fetch(&self) -> Result<KeySet>;
}

/// Keys by their ids, and how long they may be used.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) keys: HashMap<String, DecodingKey>,
    pub(super) life: Duration,
}

/// The keys of one key server.
#[derive(Debug)]
pub(super) struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Box<dyn KeyServer>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// When the last fetch failed; nothing when it did not.
    failed: Option<Instant>,
    /// When an unknown key id last made us ask.
    unknown: Option<Instant>,
    /// Closed when the fetch has ended.
    running: Option<watch::Receiver<()>>,
}

#[derive(Debug)]
struct Held {
    keys: HashMap<String, DecodingKey>,
    since: Instant,
    life: Duration,
}

/// What a request wants of a fetch.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    None,
    /// One shall run, and nobody waits for it.
    Behind,
    /// Its outcome decides.
    First,
}

impl Keys {
    pub(super) fn new(server: impl KeyServer) -> Self {
        Self(Arc::new(Shared { server: Box::new(server), state: Mutex::default() }))
    }

    /// The key with this id; `None` where Google has none.
    ///
    /// # Errors
    /// `unavailable` where that cannot be found out.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<DecodingKey>> {
        let fetch = {
            let mut state = self.0.lock();
            let now = Instant::now();
            let need = state.need(kid, now);
            let fetch = (need != Need::None).then(|| self.0.fetch(&mut state));
            if need != Need::First {
                return state.answer(kid, now);
            }
            fetch
        };
        if let Some(mut fetch) = fetch {
            // An error says that the fetch has ended, which is what is waited for.
            let _ = fetch.changed().await;
        }
        self.0.lock().answer(kid, Instant::now())
    }
}

impl State {
    /// What to do about a key id, before it is answered. Notes an unknown one that is about to make us ask.
    fn need(&mut self, kid: &str, now: Instant) -> Need {
        let may_ask = self.failed.is_none_or(|failed| now.duration_since(failed) >= PAUSE);
        let Some(held) = self.held.as_ref().filter(|held| held.holds(now)) else {
            return if may_ask { Need::First } else { Need::None };
        };
        let age = now.duration_since(held.since);
        if age >= held.life && self.failed.is_none() {
            return Need::First;
        }
        if !held.keys.contains_key(kid) {
            let asked = self.unknown.is_some_and(|asked| now.duration_since(asked) < UNKNOWN);
            // Many come with a new key at the same moment: all of them wait for the one fetch.
            if self.running().is_some() {
                return Need::First;
            }
            if !asked && may_ask {
                self.unknown = Some(now);
                return Need::First;
            }
        }
        if age >= held.life.mul_f64(0.8) && may_ask { Need::Behind } else { Need::None }
    }

    /// The fetch that runs, if one does.
    fn running(&self) -> Option<&watch::Receiver<()>> {
        self.running.as_ref().filter(|running| running.has_changed().is_ok())
    }

    /// What is known now. After a failure the keys may be out of date, so that an unknown id proves nothing.
    fn answer(&self, kid: &str, now: Instant) -> Result<Option<DecodingKey>> {
        let held = self.held.as_ref().filter(|held| held.holds(now));
        let known = held.and_then(|held| held.keys.get(kid).cloned());
        if known.is_none() && (held.is_none() || self.failed.is_some()) {
            return Err(Error::new(Kind::Unavailable, "Google's keys cannot be had now").after(PAUSE));
        }
        Ok(known)
    }
}

impl Held {
    fn holds(&self, now: Instant) -> bool {
        now.duration_since(self.since) < self.life.saturating_add(GRACE)
    }
}

impl Shared {
    /// The fetch that runs, or a new one.
    fn fetch(self: &Arc<Self>, state: &mut State) -> watch::Receiver<()> {
        if let Some(running) = state.running() {
            return running.clone();
        }
        let (done, running) = watch::channel(());
        state.running = Some(running.clone());
        let (shared, since) = (Arc::clone(self), Instant::now());
        tokio::spawn(async move {
            let fetched = shared.server.fetch().await;
            shared.keep(fetched, since);
            drop(done);
        });
        running
    }

    fn keep(&self, fetched: Result<KeySet>, since: Instant) {
        let mut state = self.lock();
        match fetched {
            Ok(KeySet { keys, life }) => {
                info!(keys = keys.len(), life_s = life.as_secs(), "Google's keys were fetched");
                state.failed = None;
                state.held = Some(Held { keys, since, life });
            }
            Err(error) => {
                let now = Instant::now();
                state.failed = Some(now);
                let left = |held: &Held| (held.life + GRACE).saturating_sub(now.duration_since(held.since));
                let hold_s = state.held.as_ref().map(left).unwrap_or_default().as_secs();
                warn!(hold_s, cause = error.causes(), "Google's keys cannot be fetched; those in memory hold on");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
