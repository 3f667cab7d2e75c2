//! Which adapter stands behind which port.

use std::{sync::Arc, time::Duration};

use common::{
    detectors::{Cached, Failover, Remote},
    error::{Error, Kind, Result},
    http::{Admission, Front, Guard, Kept, api, layers},
    intake::Intake,
    look::Look,
    pipeline::Pipeline,
    ports::{Detect, Identity, Unscreened},
    request::Cloud,
    sample::SAMPLE,
    source::{FetchLimits, SourcePolicy, Sources, SystemResolver, WebFetcher},
};
use processors::{Processor, Worker, WriteBack};
use proxy_aws::{
    clients::Clients,
    configuration::Configuration,
    dynamodb::DynamoLedger,
    entry::{Entry, Events, Sweep, Uploads},
    google_identity::GoogleIdentity,
    rekognition::Rekognition,
    s3::Buckets,
    sns::SnsTopics,
    sqs::Delays,
};

use crate::config::{Detector, ProcessorName, Settings};

/// What is kept of an invocation for recording what is done and sending away what is not.
const GRACE: Duration = Duration::from_secs(1);
/// Lambda's longest invocation; the invocation's own deadline comes with it.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Answers kept in memory: one is about a kilobyte.
const ANSWERS: usize = 1024;

/// Everything that a function may be asked, as its settings have it.
pub(crate) fn compose(settings: &Settings, clients: &Clients) -> Result<Entry> {
    let intake = Intake::new(settings.limits);
    let bucket = Buckets::new(clients.s3.clone(), settings.buckets.clone(), settings.limits.max_bytes);
    let mut ledger =
        DynamoLedger::new(clients.dynamodb.clone(), settings.table.clone()).with_object_index(settings.erase_on_delete);
    if let Some(retention) = settings.retention {
        ledger = ledger.with_retention(retention);
    }
    let limits = FetchLimits { max_bytes: settings.limits.max_bytes, ..FetchLimits::default() };
    let policy = SourcePolicy::new(settings.allow_source.clone());
    let fetch = Sources {
        web: Arc::new(WebFetcher::new(policy, limits, Arc::new(SystemResolver))?),
        bucket: Arc::new(bucket.clone()),
    };
    let detect = Arc::new(Cached::new(detectors(settings, clients, &intake)?, ANSWERS));
    let remembers = Arc::new(ledger.clone());
    let pipeline = Pipeline {
        look: Look { cloud: Cloud::Aws, intake, fetch: Arc::new(fetch), detect },
        screen: Arc::new(Unscreened),
        ledger: remembers.clone(),
        archive: remembers.clone(),
        inbox: remembers.clone(),
        outbox: remembers.clone(),
        publish: Arc::new(SnsTopics::new(clients.sns.clone(), settings.topics.clone(), bucket.clone())),
        store: Arc::new(bucket.clone()),
        grace: GRACE,
    };
    let front = Front {
        look: pipeline.look.clone(),
        kept: Some(Kept { pipeline: pipeline.clone(), erase: remembers, index: None }),
        sample: SAMPLE,
        deadline: LONGEST,
        // Lambda gives one request at a time to each process.
        admission: Admission::new(32, 32),
    };
    let delays = Delays::new(clients.sqs.clone(), &settings.queues, settings.retry_delay);
    let configuration =
        settings.config_bucket.as_ref().map(|bucket| Configuration::new(clients.s3.clone(), bucket.clone()));
    Ok(Entry {
        routes: layers::wrap(api(&front), Cloud::Aws, Guard::Off, settings.callers.clone()),
        uploads: Uploads {
            pipeline: pipeline.clone(),
            buckets: settings.buckets.clone(),
            erase: settings.erase_on_delete.then(|| ledger.clone()),
            delays: delays.clone(),
        },
        events: Events {
            workers: workers(settings, &pipeline, &ledger, &bucket, configuration.as_ref())?,
            bucket,
            delays,
            stage: settings.stage.clone(),
        },
        sweep: Sweep { pipeline, ledger, age: settings.sweep_age, stage: settings.stage.clone() },
        grace: GRACE,
    })
}

/// The processors that this function runs, each with its memory.
fn workers(
    settings: &Settings,
    pipeline: &Pipeline,
    ledger: &DynamoLedger,
    bucket: &Buckets,
    configuration: Option<&Configuration>,
) -> Result<Vec<Worker>> {
    let remembers = Arc::new(ledger.clone());
    let processor = |name: ProcessorName| -> Result<Arc<dyn Processor>> {
        Ok(match name {
            ProcessorName::WriteBack => Arc::new(WriteBack {
                archive: remembers.clone(),
                dossiers: remembers.clone(),
                fetch: pipeline.look.fetch.clone(),
                store: pipeline.store.clone(),
                originals: Arc::new(bucket.clone()),
            }),
            other => {
                let (name, configured, languages) = (other.name(), configuration.is_some(), settings.languages.len());
                let cause = format!("configuration: {configured}, languages: {languages}");
                return Err(
                    Error::new(Kind::Unsupported, format!("{name} is not built into this program")).because(cause)
                );
            }
        })
    };
    let worker = |name: &ProcessorName| {
        Ok(Worker {
            processor: processor(*name)?,
            journal: remembers.clone(),
            outbox: remembers.clone(),
            publish: pipeline.publish.clone(),
        })
    };
    settings.processors.iter().map(worker).collect()
}

/// In the operator's order; the next one is asked when one does not answer.
fn detectors(settings: &Settings, clients: &Clients, intake: &Intake) -> Result<Arc<dyn Detect>> {
    let mut detectors: Vec<(String, Arc<dyn Detect>)> = Vec::new();
    for detector in &settings.detectors {
        match detector {
            Detector::Rekognition => {
                let rekognition = Rekognition::new(clients.rekognition.clone(), intake.clone());
                detectors.push(("rekognition".to_owned(), Arc::new(rekognition)));
            }
            Detector::At(url) => {
                let identity = match &settings.google_credentials {
                    Some(json) => Some(Arc::new(GoogleIdentity::new(json, url)?) as Arc<dyn Identity>),
                    None => None,
                };
                let remote = Remote::new(url, intake.clone(), identity)?;
                detectors.push((url.host_str().unwrap_or("detector").to_owned(), Arc::new(remote)));
            }
        }
    }
    Ok(Arc::new(Failover::new(detectors, settings.patience, settings.pay_elsewhere)?))
}
