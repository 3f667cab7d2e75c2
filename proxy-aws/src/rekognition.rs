//! Amazon Rekognition: as a detector, and in `faces` as what keeps faces.
//!
//! # Layout, in reading order
//! Below is one image's way: `picture` makes it one that Rekognition takes, each feature is a call of its own, side by side, and
//! `findings` reads the answers; `moderation` is the table from Amazon's categories to ours, `fault` the one place where
//! failures are classified. Landmarks and colours Rekognition cannot tell.

mod faces;
mod fault;
mod findings;
mod moderation;
mod picture;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_rekognition::{Client, primitives::Blob, types::Image as Picture};
use common::{
    analysis::{Detection, DetectorId, Feature, Features, Findings, MAX_LABELS},
    error::{Error, Kind, Result},
    image::Image,
    intake::Intake,
    ports::Detect,
};
use metrics::counter;
use tokio::time::timeout;

pub use self::faces::RekognitionFaces;
use self::fault::fault;

/// What Rekognition cannot tell.
const UNSUPPORTED: [Feature; 2] = [Feature::Landmarks, Feature::Properties];

/// Answers with Amazon Rekognition.
pub struct Rekognition {
    client: Client,
    intake: Intake,
}

impl Rekognition {
    /// By this client, which must not repeat calls by itself.
    pub fn new(client: Client, intake: Intake) -> Self {
        Self { client, intake }
    }
}

#[async_trait]
impl Detect for Rekognition {
    fn id(&self) -> Option<DetectorId> {
        Some(id())
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let late = |_| Error::new(Kind::DeadlineExceeded, "Rekognition did not answer in time");
        let findings = timeout(time_left, self.ask(image, features)).await.map_err(late)??;
        Ok(Detection { detector: id(), findings })
    }
}

impl Rekognition {
    async fn ask(&self, image: &Image, features: &Features) -> Result<Findings> {
        let unsupported: Vec<Feature> = features.iter().filter(|feature| UNSUPPORTED.contains(feature)).collect();
        let told: Vec<Feature> = features.iter().filter(|feature| !UNSUPPORTED.contains(feature)).collect();
        if told.is_empty() {
            return Ok(Findings { unsupported, ..Findings::default() });
        }
        let picture = picture::of(&self.intake, image, features).await?;
        let picture = Picture::builder().bytes(Blob::new(picture.bytes)).build();
        let wanted = |feature| told.contains(&feature).then(|| picture.clone());
        // The first failure ends all: an analysis with a hole in it would be kept as if it were whole.
        let (labels, safe_search, faces, celebrities, text) = tokio::try_join!(
            self.labels(wanted(Feature::Labels)),
            self.moderation(wanted(Feature::SafeSearch)),
            self.faces(wanted(Feature::Faces)),
            self.celebrities(wanted(Feature::Celebrities)),
            self.text(wanted(Feature::Text)),
        )?;
        for feature in &told {
            counter!("crosslens_billed_units_total", "feature" => feature.name()).increment(1);
        }
        // One image a call (https://aws.amazon.com/rekognition/pricing/).
        let billed_units = told.into_iter().map(|feature| (feature, 1)).collect();
        let (landmarks, properties) = (None, None);
        Ok(Findings {
            labels,
            safe_search,
            faces,
            landmarks,
            celebrities,
            text,
            properties,
            unsupported,
            billed_units,
            ..Findings::default()
        })
    }

    async fn labels(&self, picture: Option<Picture>) -> Result<Option<Vec<common::analysis::Label>>> {
        let Some(picture) = picture else { return Ok(None) };
        let call = self.client.detect_labels().image(picture).max_labels(i32::from(MAX_LABELS));
        let answer = called(Feature::Labels, call.send().await.map_err(fault))?;
        Ok(Some(findings::labels(answer.labels())))
    }

    async fn moderation(&self, picture: Option<Picture>) -> Result<Option<common::analysis::SafeSearch>> {
        let Some(picture) = picture else { return Ok(None) };
        let call = self.client.detect_moderation_labels().image(picture).min_confidence(moderation::LEAST);
        let answer = called(Feature::SafeSearch, call.send().await.map_err(fault))?;
        Ok(Some(moderation::safe_search(answer.moderation_labels())))
    }

    async fn faces(&self, picture: Option<Picture>) -> Result<Option<Vec<common::analysis::Face>>> {
        let Some(picture) = picture else { return Ok(None) };
        let call = self.client.detect_faces().image(picture);
        let answer = called(Feature::Faces, call.send().await.map_err(fault))?;
        Ok(Some(findings::faces(answer.face_details())))
    }

    async fn celebrities(&self, picture: Option<Picture>) -> Result<Option<Vec<common::analysis::Named>>> {
        let Some(picture) = picture else { return Ok(None) };
        let call = self.client.recognize_celebrities().image(picture);
        let answer = called(Feature::Celebrities, call.send().await.map_err(fault))?;
        Ok(Some(findings::celebrities(answer.celebrity_faces())))
    }

    async fn text(&self, picture: Option<Picture>) -> Result<Option<common::analysis::Text>> {
        let Some(picture) = picture else { return Ok(None) };
        let call = self.client.detect_text().image(picture);
        let answer = called(Feature::Text, call.send().await.map_err(fault))?;
        Ok(Some(findings::text(answer.text_detections())))
    }
}

/// Counts a call and how it ended.
fn called<T>(feature: Feature, answer: Result<T>) -> Result<T> {
    let outcome = answer.as_ref().map_or_else(|error| error.kind().slug(), |_| "answered");
    let labels = [("provider", "amazon-rekognition"), ("feature", feature.name()), ("outcome", outcome)];
    counter!("crosslens_provider_calls_total", &labels).increment(1);
    answer
}

/// Each operation has a model version of its own, which is known only from its answer and changes without notice; an analysis
/// must have its name before that, so it is one name for all of them.
fn id() -> DetectorId {
    DetectorId { provider: "amazon-rekognition".to_owned(), model: "builtin".to_owned() }
}
