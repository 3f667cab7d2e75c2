//! The detector: an image in, labels out, all other features unsupported.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    analysis::{Detection, DetectorId, Feature, Features, Findings, Label, MAX_LABELS},
    compute::{self, Panicked},
    error::{Error, Kind, Result},
    image::Image,
    intake::{Intake, Pixels},
    ports::Detect,
};
use tokio::time::timeout;

use crate::{
    config::ModelConfig,
    model::{Model, Preparation, invalid},
    sessions::Sessions,
};

/// Labels below this are noise.
const LEAST_SCORE: f32 = 0.01;

/// Answers with a classifier in this process.
pub struct LocalDetector {
    intake: Intake,
    sessions: Arc<Sessions>,
    labels: Arc<[String]>,
    id: DetectorId,
}

impl LocalDetector {
    /// Opens the embedded model in the cache, or the configured one. Takes about a tenth of a second, and blocks.
    ///
    /// # Errors
    /// `unavailable` where the model or ONNX Runtime is missing or damaged, `invalid-request` where a user's own model, its
    /// labels and the configuration do not fit together. The message says what to do.
    pub fn open(cache: &Path, config: &ModelConfig, intake: Intake) -> Result<Self> {
        let model = Model::find(cache, config)?;
        let sessions = Sessions::open(&model, |session| match (model.own, session.inputs()) {
            (false, _) => Ok(Preparation::EMBEDDED),
            (true, [input]) => Preparation::own(config, input.dtype()),
            (true, inputs) => Err(invalid(format!("the model has {} inputs; one picture is needed", inputs.len()))),
        })?;
        Ok(Self { intake, sessions: Arc::new(sessions), labels: model.labels, id: model.id })
    }

    async fn labels(&self, image: &Image) -> Result<Vec<Label>> {
        let sessions = Arc::clone(&self.sessions);
        let classify = move |pixels: Pixels| {
            compute::contained(|| sessions.classify(&pixels.rgb)).unwrap_or_else(|Panicked(text)| {
                Err(Error::new(Kind::DetectorFailed, "the model failed on this picture").because(text))
            })
        };
        let scores = self.intake.look(image, self.sessions.preparation().reduction(), classify).await?;
        Ok(best(&self.labels, &scores))
    }
}

#[async_trait]
impl Detect for LocalDetector {
    fn id(&self) -> Option<DetectorId> {
        Some(self.id.clone())
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let late = || Error::new(Kind::DeadlineExceeded, "the deadline passed before the model could answer");
        if time_left.is_zero() {
            return Err(late());
        }
        let labels = if features.contains(Feature::Labels) {
            Some(timeout(time_left, self.labels(image)).await.map_err(|_| late())??)
        } else {
            None
        };
        let unsupported = features.iter().filter(|feature| *feature != Feature::Labels).collect();
        let findings = Findings { labels, unsupported, ..Findings::default() };
        Ok(Detection { detector: self.id.clone(), findings })
    }
}

/// The classes that were seen, best first.
fn best(names: &[String], scores: &[f32]) -> Vec<Label> {
    let mut seen: Vec<(&String, f32)> =
        names.iter().zip(scores.iter().copied()).filter(|(_, score)| *score >= LEAST_SCORE).collect();
    seen.sort_by(|one, other| other.1.total_cmp(&one.1));
    seen.truncate(usize::from(MAX_LABELS));
    let label = |(name, score): (&String, f32)| Label { description: name.clone(), score: score.min(1.0), mid: None };
    seen.into_iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_noise_not_at_all() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let labels = best(&names, &[0.2, 0.009, 0.7, 0.0]);
        let names: Vec<_> = labels.iter().map(|label| label.description.as_str()).collect();
        assert_eq!(names, ["c", "a"]);
    }
}
