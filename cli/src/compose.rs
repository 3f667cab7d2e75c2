//! The composition root of the local mode: which adapter stands behind which port.

use std::{sync::Arc, time::Duration};

use common::{
    detectors::{Cached, Remote},
    error::Result,
    intake::Intake,
    look::Look,
    pipeline::Pipeline,
    ports::{Detect, Screen, Unscreened},
    request::Cloud,
    source::{FetchLimits, SourcePolicy, Sources, SystemResolver, WebFetcher},
};
use detector_local::LocalDetector;
use local::Local;

use crate::{
    config::{Detector, Settings},
    model,
    sources::WithFiles,
};

/// Answers kept in memory: one is about a kilobyte.
const ANSWERS: usize = 4096;

/// The pipeline and the pieces of the machine's cloud that a command may need besides.
pub(crate) struct Composed {
    pub(crate) pipeline: Pipeline,
    pub(crate) local: Local,
}

/// For `up`: the only one of its kind on the data folder, with the policy in force.
pub(crate) async fn exclusive(settings: &Settings, screen: Arc<dyn Screen>) -> Result<Composed> {
    compose(settings, Local::open(&settings.data, &settings.limits)?, screen).await
}

/// For commands that may run beside `up`.
pub(crate) async fn shared(settings: &Settings) -> Result<Composed> {
    compose(settings, Local::open_shared(&settings.data, &settings.limits)?, Arc::new(Unscreened)).await
}

async fn compose(settings: &Settings, local: Local, screen: Arc<dyn Screen>) -> Result<Composed> {
    let intake = Intake::new(settings.limits);
    let detect = Arc::new(Cached::new(detector(settings, intake.clone()).await?, ANSWERS));
    let policy = SourcePolicy::new(settings.allow_source.clone());
    let limits = FetchLimits { max_bytes: settings.limits.max_bytes, ..FetchLimits::default() };
    let sources = Sources {
        web: Arc::new(WebFetcher::new(policy, limits, Arc::new(SystemResolver))?),
        bucket: Arc::new(local.bucket.clone()),
    };
    let fetch = WithFiles { sources, max_bytes: settings.limits.max_bytes };
    let ledger = Arc::new(local.ledger.clone());
    let pipeline = Pipeline {
        look: Look { cloud: Cloud::Local, intake, fetch: Arc::new(fetch), detect },
        screen,
        ledger: ledger.clone(),
        archive: ledger.clone(),
        inbox: ledger.clone(),
        outbox: ledger,
        publish: Arc::new(local.topics.clone()),
        store: Arc::new(local.bucket.clone()),
        grace: Duration::from_secs(5),
    };
    Ok(Composed { pipeline, local })
}

/// Who answers, as the settings say.
pub(crate) async fn detector(settings: &Settings, intake: Intake) -> Result<Arc<dyn Detect>> {
    Ok(match &settings.detector {
        Detector::Local => {
            model::pull_if_missing(settings).await?;
            Arc::new(LocalDetector::open(&settings.cache, &settings.model, intake)?)
        }
        #[cfg(feature = "gcp")]
        Detector::Vision => Arc::new(detector_gcp::vision::Vision::new(&settings.vision, intake).await?),
        Detector::Remote(url) => Arc::new(Remote::new(url, intake, None)?),
    })
}
