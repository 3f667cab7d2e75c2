//! Stretches of time: what an invocation took, and how much of it others were waited for.

use std::time::{Duration, Instant};

use tests::Took;

use super::NEXT;

/// From one moment to another.
pub(super) type Span = (Instant, Instant);

/// The invocations so far: from the event handed over to the answer given back, as the emulator's side sees both.
pub(super) fn invocations(emulator: &[Took]) -> Vec<Span> {
    let mut invocations = Vec::new();
    for answer in emulator.iter().filter(|took| took.name.starts_with("POST ")) {
        let handed = emulator.iter().filter(|took| took.name == NEXT && took.ended <= answer.begun);
        if let Some(last) = handed.map(|took| took.ended).max() {
            invocations.push((last, answer.begun));
        }
    }
    invocations
}

/// How much of a stretch is covered by any of these.
pub(super) fn covered<'a>(span: Span, by: impl IntoIterator<Item = &'a Took>) -> Duration {
    let mut inside: Vec<Span> = by
        .into_iter()
        .map(|took| (took.begun.max(span.0), took.ended.min(span.1)))
        .filter(|(from, to)| from < to)
        .collect();
    inside.sort();
    let (mut total, mut until) = (Duration::ZERO, span.0);
    for (from, to) in inside {
        total += to.saturating_duration_since(from.max(until));
        until = until.max(to);
    }
    total
}

/// Those calls that fall into a stretch.
pub(super) fn within(span: Span, calls: &[Took]) -> Vec<&Took> {
    calls.iter().filter(|took| took.begun >= span.0 && took.ended <= span.1).collect()
}

pub(super) fn length(span: Span) -> Duration {
    span.1 - span.0
}

/// The figure at this share of sorted ones, in milliseconds.
pub(super) fn at(sorted: &[Duration], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
}
