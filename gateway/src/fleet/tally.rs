//! What a colour has done so far: tries, failures, how long answers took, and who made them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use common::endpoints::State;
use hdrhistogram::Histogram;

/// How long a window of durations is; what is told comes of the current and the one before.
const WINDOW: Duration = Duration::from_secs(300);
/// The longest duration that is told apart, in microseconds.
const LONGEST: u64 = 600_000_000;
/// Names of providers that are kept apart; an answer can name any.
const PROVIDERS: usize = 32;

/// Counts since the start, and durations of the last five to ten minutes.
pub(crate) struct Tally {
    requests: AtomicU64,
    errors: AtomicU64,
    taken: Mutex<Taken>,
    providers: Mutex<BTreeMap<String, (u64, u64)>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct Taken {
    begun: Option<Instant>,
    current: Option<Histogram<u32>>,
    before: Option<Histogram<u32>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            taken: Mutex::default(),
            providers: Mutex::default(),
            state: Mutex::new(State::Healthy),
        }
    }
}

impl Tally {
    /// One try is over.
    pub(crate) fn tried(&self, well: bool, taken: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(!well), Ordering::Relaxed);
        let mut times = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if times.begun.is_none_or(|begun| begun.elapsed() >= WINDOW) {
            times.before = times.current.take();
            times.begun = Some(Instant::now());
        }
        let micros = u64::try_from(taken.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        if times.current.is_none() {
            times.current = Histogram::new_with_bounds(1, LONGEST, 2).ok();
        }
        if let Some(current) = &mut times.current {
            current.saturating_record(micros);
        }
    }

    /// An answer named who made it, and how many units were paid for it.
    pub(crate) fn answered(&self, provider: &str, billed: u64) {
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if providers.len() < PROVIDERS || providers.contains_key(provider) { provider } else { "other" };
        match providers.get_mut(name) {
            Some((answers, units)) => {
                *answers += 1;
                *units += billed;
            }
            None => drop(providers.insert(name.to_owned(), (1, billed))),
        }
    }

    /// The state that it is in now; returns the one before.
    pub(crate) fn stood(&self, now: State) -> State {
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Tries and failures.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }

    /// Answers and units that were paid for, by provider.
    pub(crate) fn providers(&self) -> BTreeMap<String, (u64, u64)> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The 50th, 95th and 99th percentile, in milliseconds; `None` where nothing was asked lately.
    pub(crate) fn percentiles(&self) -> Option<[f64; 3]> {
        let times = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = times.current.clone()?;
        if let Some(before) = &times.before {
            all.add(before).ok()?;
        }
        #[expect(clippy::cast_precision_loss, reason = "ten minutes in microseconds")]
        Some([0.50, 0.95, 0.99].map(|part| all.value_at_quantile(part) as f64 / 1000.0))
    }
}
