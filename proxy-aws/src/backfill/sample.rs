//! What the first images of a job became: their labels, what they cost and how long they took.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use common::{
    error::{Error, Kind, Result},
    ports::{Archive, State as Found},
    request::ImageId,
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Job, Jobs, Known, State, bill};

/// How often the ledger is asked.
const LOOK: Duration = Duration::from_secs(1);
/// Analyses that are read at a time.
const AT_A_TIME: usize = 16;
/// Labels that are shown.
const WORDS: usize = 10;

/// How many images of the sample have a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WordCount {
    /// The label.
    pub label: String,
    /// Images.
    pub images: u64,
}

/// The outcome of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Images with an analysis.
    pub labelled: u64,
    /// Images that were given up, by problem.
    pub failed: BTreeMap<String, u64>,
    /// The most frequent labels first.
    pub labels: Vec<WordCount>,
    /// What the provider bills, over all features.
    pub billed_units: u64,
    /// What that costs at the price of an image, in US dollars.
    pub usd: f64,
    /// From the first object sent to the last outcome, in milliseconds.
    pub took_ms: u64,
}

impl Sample {
    /// Waits until all of `ids` have an outcome and reads it; the job stays held. An error when the stack gives none of them an
    /// outcome for as long as `patience`, and `unavailable` when the operator wants the job otherwise meanwhile.
    #[expect(clippy::too_many_arguments, reason = "everything that a job stands on")]
    pub async fn watch(
        ids: Vec<ImageId>,
        job: &Job,
        known: &dyn Known,
        archive: &dyn Archive,
        jobs: &dyn Jobs,
        patience: Duration,
        since: Instant,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Self> {
        let (mut sample, mut words) = (Self::default(), HashMap::new());
        let (mut left, mut moved) = (ids, Instant::now());
        loop {
            let recorded = known.recorded(&left).await?;
            let new = left.iter().filter(|id| recorded.contains(*id)).map(|id| archive.state(id)).collect::<Vec<_>>();
            let mut states = stream::iter(new).buffer_unordered(AT_A_TIME);
            while let Some(state) = states.next().await {
                sample.add(state?, &mut words);
                moved = Instant::now();
            }
            drop(states);
            left.retain(|id| !recorded.contains(id));
            told(left.len());
            if left.is_empty() {
                break;
            }
            if jobs.save(job).await? != State::Running {
                return Err(Error::new(Kind::Unavailable, "the job was stopped before its sample was labelled"));
            }
            if moved.elapsed() > patience {
                let message =
                    format!("{} images of the sample have no outcome; what does `crosslens dlq list` say?", left.len());
                return Err(Error::new(Kind::Unavailable, message));
            }
            sleep(LOOK).await;
        }
        sample.took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        sample.usd = sample.billed_units as f64 * job.options.price_per_image.unwrap_or(bill::VISION_UNIT);
        sample.labels = words.into_iter().map(|(label, images)| WordCount { label, images }).collect();
        sample.labels.sort_by(|a, b| b.images.cmp(&a.images).then_with(|| a.label.cmp(&b.label)));
        sample.labels.truncate(WORDS);
        Ok(sample)
    }

    /// One that has been erased since it was recorded counts for nothing.
    fn add(&mut self, found: Option<Found>, words: &mut HashMap<String, u64>) {
        match found {
            Some(Found::Done(analysis)) => {
                self.labelled += 1;
                self.billed_units +=
                    analysis.findings.billed_units.values().map(|units| u64::from(*units)).sum::<u64>();
                for label in analysis.findings.labels.into_iter().flatten() {
                    *words.entry(label.description).or_default() += 1;
                }
            }
            Some(Found::Failed(failure)) => *self.failed.entry(failure.problem).or_default() += 1,
            Some(Found::Pending) | None => {}
        }
    }
}
