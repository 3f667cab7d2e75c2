//! How far a backfill is: a bar on a terminal, a line now and then for machines, nothing elsewhere.

use std::{io::IsTerminal, time::Duration};

use common::error::{Result, internal};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proxy_aws::backfill::{Counts, Job};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::lines::print;

/// Between two lines for machines.
const PAUSE: Duration = Duration::from_secs(1);

/// Where progress goes.
pub(super) struct Progress {
    json: bool,
    bar: ProgressBar,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let shown = !json && std::io::stderr().is_terminal();
        let bar = if shown {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        Self { json, bar, last: None }
    }

    /// While everything is counted, nobody knows how much there is.
    pub(super) fn counting(&self, counts: &Counts) {
        self.style("{spinner} {pos} objects counted");
        self.bar.set_position(counts.listed);
    }

    /// While objects are sent.
    pub(super) fn sending(&mut self, job: &Job) {
        let total = job.total.unwrap_or_default();
        self.style("{bar:30} {pos}/{len} objects · {msg} · {eta} left");
        self.bar.set_length(total.listed);
        self.bar.set_position(job.counts.listed);
        self.bar.set_message(format!("{} sent · ${:.2}", job.counts.sent, job.spent));
        if self.json && self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.last = Some(Instant::now());
            let left = job.time_left(0).map(|left| left.as_secs());
            let line = json!({"event": "progress", "job": job.name, "counts": job.counts, "spent": job.spent, "secondsLeft": left});
            // A reader who is gone is found out by the next line that matters.
            let _ = print(&line.to_string());
        }
    }

    /// While the first images are waited for.
    pub(super) fn waiting(&self, left: usize) {
        self.style("{spinner} {msg}");
        self.bar.set_message(format!("waiting for {left} images to be labelled"));
    }

    /// Something that is said once: a text for people, an object for machines.
    pub(super) fn say(&self, event: &str, value: Value, text: &str) -> Result<()> {
        let line = if self.json {
            let mut line = json!({ "event": event });
            let fields = line.as_object_mut().zip(value.as_object().cloned());
            let (line_fields, fields) = fields.ok_or_else(|| internal("an event is an object"))?;
            line_fields.extend(fields);
            line.to_string()
        } else {
            text.trim_end().to_owned()
        };
        self.bar.suspend(|| print(&line)).map(|_| ())
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}
