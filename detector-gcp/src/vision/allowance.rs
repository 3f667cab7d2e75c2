//! What may be spent in a day, and how many images may be sent in a minute: two walls that hold whatever happens before them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::error::{Error, Kind, Result};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use tokio::time::Instant;

/// Billed units of a day, which ends at midnight UTC.
#[derive(Debug)]
pub(super) struct Allowance {
    per_day: u32,
    today: Mutex<Today>,
}

#[derive(Debug)]
struct Today {
    date: Date,
    taken: u32,
}

/// Units that are set aside for a call. Dropped they are spent: whoever goes away may have been billed.
#[derive(Debug)]
pub(super) struct Cost<'a> {
    allowance: &'a Allowance,
    date: Date,
    units: u32,
}

impl Allowance {
    pub(super) fn new(per_day: u32) -> Self {
        Self { per_day, today: Mutex::new(Today { date: today(), taken: 0 }) }
    }

    /// Sets units aside; `rate-limited` until tomorrow where the day's are used up.
    pub(super) fn take(&self, units: u32) -> Result<Cost<'_>> {
        let mut now = self.now();
        if now.taken.saturating_add(units) > self.per_day {
            let message = format!("this instance has spent its {} billed units for today", self.per_day);
            return Err(Error::new(Kind::RateLimited, message).after(until_tomorrow(Timestamp::now())));
        }
        now.taken = now.taken.saturating_add(units);
        Ok(Cost { allowance: self, date: now.date, units })
    }

    fn now(&self) -> MutexGuard<'_, Today> {
        let mut now = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let date = today();
        if now.date != date {
            *now = Today { date, taken: 0 };
        }
        now
    }
}

impl Cost<'_> {
    /// It was not billed.
    pub(super) fn give_back(self) {
        let mut now = self.allowance.now();
        if now.date == self.date {
            now.taken = now.taken.saturating_sub(self.units);
        }
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn until_tomorrow(now: Timestamp) -> Duration {
    let midnight = now.to_zoned(TimeZone::UTC).date().tomorrow().and_then(|date| date.to_zoned(TimeZone::UTC));
    let left = midnight.map_or(SignedDuration::from_hours(24), |midnight| midnight.timestamp().duration_since(now));
    Duration::try_from(left).unwrap_or_default()
}

/// Images of the last minute. Exact in every window of a minute, so that a burst may use it up at once and no more.
#[derive(Debug)]
pub(super) struct Quota {
    per_minute: usize,
    sent: Mutex<VecDeque<Instant>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Quota {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute: usize::try_from(per_minute).unwrap_or(usize::MAX), sent: Mutex::default() }
    }

    /// Lets so many images pass, or none of them: `rate-limited` until there is a place for all.
    pub(super) fn take(&self, images: usize) -> Result<()> {
        let now = Instant::now();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        while sent.front().is_some_and(|first| now - *first >= MINUTE) {
            sent.pop_front();
        }
        let over = sent.len().saturating_add(images).saturating_sub(self.per_minute);
        if over > 0 {
            // The place of the last one that must have left the window before.
            let freed = sent.get(over - 1).or(sent.back()).map_or(MINUTE, |last| MINUTE.saturating_sub(now - *last));
            let message = format!("{} images a minute are sent to Vision and not more", self.per_minute);
            return Err(Error::new(Kind::RateLimited, message).after(whole_seconds(freed)));
        }
        sent.extend(std::iter::repeat_n(now, images));
        Ok(())
    }
}

/// `Retry-After` has seconds; rounded down it would be too early.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_has_an_end_and_what_was_not_billed_comes_back() {
        let allowance = Allowance::new(3);
        allowance.take(2).unwrap();
        allowance.take(1).unwrap().give_back();
        allowance.take(1).unwrap();
        let refused = allowance.take(1).unwrap_err();
        assert_eq!(refused.kind(), Kind::RateLimited);
        assert!(refused.retry_after().unwrap() <= Duration::from_secs(86_400));
    }

    #[test]
    fn tomorrow_begins_at_midnight() {
        let late: Timestamp = "2026-12-31T23:59:30Z".parse().unwrap();
        assert_eq!(until_tomorrow(late), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_may_use_the_minute_up_and_no_window_holds_more() {
        let quota = Quota::new(10);
        quota.take(6).unwrap();
        tokio::time::advance(Duration::from_millis(20_500)).await;
        quota.take(4).unwrap();
        assert_eq!(quota.take(1).unwrap_err().retry_after(), Some(Duration::from_secs(40)));
        assert_eq!(quota.take(7).unwrap_err().retry_after(), Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(40)).await;
        quota.take(6).unwrap();
        assert!(quota.take(1).is_err());
    }
}
