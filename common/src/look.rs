//! Opening an image source and looking at it: the part of the product that needs no memory. A detector service is this
//! and nothing more; the pipeline puts the ledger around it.

use std::sync::Arc;

use metrics::counter;
use tokio::time::{Instant, timeout_at};

use crate::{
    analysis::Analysis,
    error::{Error, Kind, Result},
    image::Image,
    intake::Intake,
    ports::{Detect, Fetch},
    request::{Cloud, ImageId, ImageRequest, ImageSource},
};

/// Where images come from and who looks at them.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Look {
    pub cloud: Cloud,
    pub intake: Intake,
    pub fetch: Arc<dyn Fetch>,
    pub detect: Arc<dyn Detect>,
}

impl Look {
    /// Bytes within the limits, their digest, type and size.
    pub async fn open(&self, request: &ImageRequest) -> Result<Image> {
        let bytes = match &request.source {
            ImageSource::Bytes(bytes) => bytes.clone(),
            source => self.fetch.fetch(source).await?,
        };
        self.intake.admit(bytes)
    }

    /// What the detector says, with all the labels that it gave.
    pub async fn detect(&self, id: ImageId, image: &Image, request: &ImageRequest) -> Result<Analysis> {
        let started = Instant::now();
        // A tenth is kept for saying what went wrong, or for keeping the work.
        let time_left = request.time_left().mul_f32(0.9);
        let detection = self.detect.detect(image, &request.query.features, time_left).await?;
        counter!("crosslens_analyses_total", "origin" => "detected").increment(1);
        Ok(Analysis::of((self.cloud, id), request, image, detection, started))
    }

    /// One image from its source to its answer; nothing is kept and nothing is published.
    pub async fn once(&self, request: &ImageRequest) -> Result<Analysis> {
        let image = self.open(request).await?;
        let id = request.id(self.cloud, image.digest());
        let late = |_| Error::new(Kind::DeadlineExceeded, "the detector did not answer in time");
        let analysis = timeout_at(request.deadline, self.detect(id, &image, request)).await.map_err(late)??;
        Ok(analysis.truncated(request.query.max_labels))
    }
}
