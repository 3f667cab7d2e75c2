//! How many of the last questions failed.

use std::time::Duration;

use tokio::time::Instant;

/// Parts of a window; the oldest goes as a whole.
const PARTS: u32 = 10;

/// The share of failures that is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// From 0 to 1.
    pub share: f64,
    /// With fewer questions in the window nothing is said.
    pub least: u32,
    /// How far back it looks.
    pub window: Duration,
}

/// Counts over the time of a [`Rate`].
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: [Part; PARTS as usize],
    current: usize,
    until: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Part {
    all: u32,
    failed: u32,
}

impl Window {
    /// Counts one more; whether too many have failed by now.
    pub(super) fn record(&mut self, rate: Option<Rate>, well: bool) -> bool {
        let Some(rate) = rate else { return false };
        self.forget(rate.window / PARTS);
        if let Some(part) = self.parts.get_mut(self.current) {
            part.all += 1;
            part.failed += u32::from(!well);
        }
        let (all, failed) =
            self.parts.iter().fold((0, 0), |(all, failed), part| (all + part.all, failed + part.failed));
        all >= rate.least && f64::from(failed) >= rate.share * f64::from(all)
    }

    /// Begins as many new parts as have passed.
    fn forget(&mut self, long: Duration) {
        let now = Instant::now();
        let mut until = self.until.unwrap_or(now + long);
        for _ in 0..PARTS {
            if until > now {
                break;
            }
            self.current = (self.current + 1) % self.parts.len();
            if let Some(part) = self.parts.get_mut(self.current) {
                *part = Part::default();
            }
            until += long;
        }
        self.until = Some(if until > now { until } else { now + long });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_does_not_count() {
        let rate = Some(Rate { share: 0.5, least: 4, window: 10 * SECOND });
        let mut window = Window::default();
        for _ in 0..3 {
            assert!(!window.record(rate, false));
        }
        tokio::time::advance(11 * SECOND).await;
        assert!(!window.record(rate, false), "the three are gone");
        for _ in 0..2 {
            assert!(!window.record(rate, true));
        }
        tokio::time::advance(5 * SECOND).await;
        assert!(window.record(rate, false), "two of four");
    }
}
