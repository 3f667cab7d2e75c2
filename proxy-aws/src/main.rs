//! The function: which adapter stands behind which port, and the loop that asks Lambda for events.

#![recursion_limit = "256"]

mod config;

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use common::{
    detectors::{Cached, Failover, Remote},
    error::{Result, internal},
    http::{Admission, Front, Guard, Kept, api, layers, use_ring},
    intake::Intake,
    log,
    look::Look,
    pipeline::Pipeline,
    ports::{Detect, Identity},
    request::Cloud,
    sample::SAMPLE,
    source::{FetchLimits, SourcePolicy, Sources, SystemResolver, WebFetcher},
};
use lambda_runtime::{LambdaEvent, service_fn};
use proxy_aws::{
    clients::Clients,
    dynamodb::DynamoLedger,
    entry::{Entry, Sweep, Uploads},
    google_identity::GoogleIdentity,
    rekognition::Rekognition,
    s3::Buckets,
    sns::SnsTopics,
    sqs::Delays,
};
use serde_json::value::RawValue;

use config::{Detector, Settings, environment};

/// What is kept of an invocation for recording what is done and sending away what is not.
const GRACE: Duration = Duration::from_secs(1);
/// Lambda's longest invocation; the invocation's own deadline comes with it.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Answers kept in memory: one is about a kilobyte.
const ANSWERS: usize = 1024;

/// On one thread: Lambda gives one event at a time and, at the usual sizes, less than one processor; pictures are decoded on threads
/// of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.causes();
            let because = if causes.is_empty() { String::new() } else { format!(" ({causes})") };
            let _ = writeln!(std::io::stderr(), "proxy-aws: {}{because}", error.message());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let settings = Settings::resolve(&environment())?;
    log::init(log::Format::Json, &settings.log_filter)?;
    use_ring();
    let entry = compose(&settings, &Clients::from_environment().await)?;
    let handle = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let entry = entry.clone();
        async move { entry.handle(event).await }
    });
    lambda_runtime::run(handle).await.map_err(internal)
}

fn compose(settings: &Settings, clients: &Clients) -> Result<Entry> {
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
        ledger: remembers.clone(),
        archive: remembers.clone(),
        inbox: remembers.clone(),
        outbox: remembers.clone(),
        publish: Arc::new(SnsTopics::new(clients.sns.clone(), settings.topics.clone(), bucket.clone())),
        store: Arc::new(bucket),
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
    Ok(Entry {
        routes: layers::wrap(api(&front), Cloud::Aws, Guard::Off, settings.callers.clone()),
        uploads: Uploads {
            pipeline: pipeline.clone(),
            buckets: settings.buckets.clone(),
            erase: settings.erase_on_delete.then(|| ledger.clone()),
            delays: Delays::new(clients.sqs.clone(), &settings.queues, settings.retry_delay),
        },
        sweep: Sweep { pipeline, ledger, age: settings.sweep_age, stage: settings.stage.clone() },
        grace: GRACE,
    })
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
