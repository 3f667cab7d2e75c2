//! What a backfill tells people.

use std::time::Duration;

use jiff::{SignedDuration, SpanRound, Unit};
use proxy_aws::backfill::{Counts, Job, Sample};

use crate::lines::printable;

/// What the first look found, and what it would cost.
pub(super) fn counted(job: &Job, total: &Counts) -> String {
    let mut text = format!(
        "{}: {} objects, {} to send ({})\n",
        printable(&job.source.to_string()),
        total.listed,
        total.sent,
        size(total.bytes)
    );
    let passed = [
        (total.known, "have an outcome already"),
        (total.empty, "are empty"),
        (total.own, "were written by the stack"),
        (total.other_suffix, "have another suffix"),
        (total.archived, "lie in an archive; bring them back first"),
    ];
    for (count, why) in passed.into_iter().filter(|(count, _)| *count > 0) {
        text += &format!("  {count} {why}\n");
    }
    let bill = job.bill(total);
    text += &format!("estimated at list prices: ${:.2}\n", bill.total());
    for line in &bill.lines {
        text += &format!("  {:<24}${:.2}\n", line.what, line.usd);
    }
    if let Some(budget) = job.options.budget.filter(|budget| *budget < bill.total()) {
        text += &format!("  it stops at the budget of ${budget:.2}\n");
    }
    text
}

/// What the first images became, and what that means for the rest.
pub(super) fn sampled(job: &Job, sample: &Sample) -> String {
    let failed: u64 = sample.failed.values().sum();
    let images = sample.labelled + failed;
    let mut text = format!("{} images labelled in {}\n", sample.labelled, time(Duration::from_millis(sample.took_ms)));
    for word in &sample.labels {
        text += &format!("  {:<32}{}\n", printable(&word.label), word.images);
    }
    for (problem, count) in &sample.failed {
        text += &format!("  given up as {problem}: {count}\n");
    }
    text += &format!("  {} units billed, ${:.2}\n", sample.billed_units, sample.usd);
    let left = job.total.map(|total| total.sent.saturating_sub(job.counts.sent)).unwrap_or_default();
    if left > 0 && images > 0 {
        let share = left as f64 / images as f64;
        let took = Duration::from_millis((sample.took_ms as f64 * share) as u64);
        text += &format!("the other {left} at that pace: {}, ${:.2}\n", time(took), sample.usd * share);
    }
    text
}

/// Hours and minutes, or seconds.
pub(super) fn time(duration: Duration) -> String {
    let smallest = if duration >= Duration::from_hours(1) { Unit::Minute } else { Unit::Second };
    let round = SpanRound::new().largest(Unit::Day).smallest(smallest).days_are_24_hours();
    let span = SignedDuration::try_from(duration).ok().and_then(|duration| jiff::Span::try_from(duration).ok());
    span.and_then(|span| span.round(round).ok()).map_or_else(|| "ever".to_owned(), |span| format!("{span:#}"))
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes => format!("{:.1} MB", bytes / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_sizes() {
        assert_eq!(time(Duration::from_millis(1400)), "1s");
        assert_eq!(time(Duration::from_secs(62)), "1m 2s");
        assert_eq!(time(Duration::from_secs(34 * 3600 + 61)), "1d 10h 1m");
    }
}
