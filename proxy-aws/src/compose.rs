//! Which adapter stands behind which port.

use std::{sync::Arc, time::Duration};

use axum::Router;
use common::{
    detectors::{Cached, Failover, Remote},
    error::{Result, internal},
    faces::Gallery,
    http::{Admission, FaceFront, Front, Guard, Kept, api, collections, layers},
    intake::Intake,
    look::Look,
    pipeline::Pipeline,
    ports::{Detect, Identity, Publish, Screen, Unscreened},
    request::Cloud,
    sample::SAMPLE,
    source::{FetchLimits, GuardedPost, SourcePolicy, Sources, SystemResolver, WebFetcher},
};
use processors::{
    Processor, Worker, WriteBack,
    faces::{FaceRequests, Wikipedia},
    messages::{self, Dispatch, Door, Labels, Twilio},
    moderation::{Moderator, Policies},
    notify::{Notify, Post},
    translation::Translator,
};
use proxy_aws::{
    clients::Clients,
    configuration::Configuration,
    dynamodb::DynamoLedger,
    entry::{Entry, Events, Sweep, Uploads},
    google_identity::GoogleIdentity,
    operator::{Operator, Telling},
    rekognition::{Rekognition, RekognitionFaces},
    s3::Buckets,
    sns::SnsTopics,
    sqs::Delays,
    translate::AmazonTranslate,
};

use crate::config::{Detector, ProcessorName, Settings};

/// What is kept of an invocation for recording what is done and sending away what is not.
const GRACE: Duration = Duration::from_secs(1);
/// Lambda's longest invocation; the invocation's own deadline comes with it.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long a target of a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers kept in memory: one is about a kilobyte.
const ANSWERS: usize = 1024;

/// Everything that a function may be asked, as its settings have it.
pub(crate) async fn compose(settings: &Settings, clients: &Clients) -> Result<Entry> {
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
    let publish: Arc<dyn Publish> =
        Arc::new(SnsTopics::new(clients.sns.clone(), settings.topics.clone(), bucket.clone()));
    let remembering = Remembering { ledger: remembers.clone(), publish: publish.clone() };
    let operator = operator(settings, clients, &remembering).await?;
    let screen: Arc<dyn Screen> = match &operator {
        Some(operator) => Arc::new(operator.policies()),
        None => Arc::new(Unscreened),
    };
    let pipeline = Pipeline {
        look: Look { cloud: Cloud::Aws, intake, fetch: Arc::new(fetch), detect },
        screen,
        ledger: remembers.clone(),
        archive: remembers.clone(),
        inbox: remembers.clone(),
        outbox: remembers.clone(),
        publish: publish.clone(),
        store: Arc::new(bucket.clone()),
        grace: GRACE,
    };
    let front = Front {
        look: pipeline.look.clone(),
        kept: Some(Kept { pipeline: pipeline.clone(), erase: remembers.clone(), index: None }),
        sample: SAMPLE,
        deadline: LONGEST,
        // Lambda gives one request at a time to each process.
        admission: Admission::new(32, 32),
    };
    let delays = Delays::new(clients.sqs.clone(), &settings.queues, settings.retry_delay);
    let gallery = gallery(settings, clients, &pipeline, &remembers)?;
    let faces = FaceFront {
        gallery: gallery.clone(),
        fetch: pipeline.look.fetch.clone(),
        intake: pipeline.look.intake.clone(),
    };
    let processors = processors(settings, clients, &pipeline, &bucket, &remembers, operator.as_ref(), &faces)?;
    let faces = layers::admitted(collections(faces), &front.admission, front.deadline);
    let door = layers::admitted(door(settings, &remembers, &publish), &front.admission, front.deadline);
    let tells = settings.processors.contains(&ProcessorName::Notify);
    Ok(Entry {
        routes: layers::wrap(api(&front).merge(faces).merge(door), Cloud::Aws, Guard::Off, settings.callers.clone()),
        uploads: Uploads {
            pipeline: pipeline.clone(),
            buckets: settings.buckets.clone(),
            erase: settings.erase_on_delete.then(|| ledger.clone()),
            delays: delays.clone(),
        },
        events: Events {
            workers: processors.into_iter().map(|processor| remembering.worker(processor)).collect(),
            webhooks: operator.clone().filter(|_| tells),
            bucket,
            delays,
            stage: settings.stage.clone(),
        },
        operator,
        sweep: Sweep {
            pipeline,
            ledger,
            age: settings.sweep_age,
            faces: gallery.zip(settings.faces),
            stage: settings.stage.clone(),
        },
        grace: GRACE,
    })
}

/// What says how this function's work is done: for one that labels the policy, for a processor its own files.
async fn operator(settings: &Settings, clients: &Clients, remembering: &Remembering) -> Result<Option<Operator>> {
    let Some(bucket) = &settings.config_bucket else { return Ok(None) };
    let files = match settings.processors.as_slice() {
        [] => ProcessorName::Moderation.files().to_vec(),
        processors => processors.iter().flat_map(|processor| processor.files()).copied().collect(),
    };
    let policy = SourcePolicy::for_targets(settings.allow_target.clone());
    let post: Arc<dyn Post> = Arc::new(GuardedPost::new(policy, PATIENCE, Arc::new(SystemResolver))?);
    let remembering = remembering.clone();
    let telling: Telling = Arc::new(move |target| remembering.worker(Arc::new(Notify::new(target, post.clone()))));
    let configuration = Configuration::new(clients.s3.clone(), bucket.clone());
    Ok(Some(Operator::read(configuration, files, telling).await?))
}

/// What every processor's memory is made of.
#[derive(Clone)]
struct Remembering {
    ledger: Arc<DynamoLedger>,
    publish: Arc<dyn Publish>,
}

impl Remembering {
    fn worker(&self, processor: Arc<dyn Processor>) -> Worker {
        let Self { ledger, publish } = self.clone();
        Worker { processor, journal: ledger.clone(), outbox: ledger, publish }
    }
}

/// The processors that this function runs; webhooks are told by one each, which the operator's file names.
fn processors(
    settings: &Settings,
    clients: &Clients,
    pipeline: &Pipeline,
    bucket: &Buckets,
    ledger: &Arc<DynamoLedger>,
    operator: Option<&Operator>,
    faces: &FaceFront,
) -> Result<Vec<Arc<dyn Processor>>> {
    let policies = operator.map_or_else(|| Policies::new(None, None), |operator| Ok(operator.policies()))?;
    let glossaries = operator.map(Operator::glossaries).unwrap_or_default();
    let (bucket, intake) = (Arc::new(bucket.clone()), pipeline.look.intake.clone());
    let processor = |name: &ProcessorName| -> Result<Option<Arc<dyn Processor>>> {
        let processor: Arc<dyn Processor> = match name {
            ProcessorName::Moderation => Arc::new(Moderator::new(
                Cloud::Aws,
                policies.clone(),
                intake.clone(),
                bucket.clone(),
                bucket.clone(),
                ledger.clone(),
            )),
            ProcessorName::Translation => {
                let service = Arc::new(AmazonTranslate::new(clients.translate.clone()));
                let languages = settings.languages.clone();
                Arc::new(Translator::new(Cloud::Aws, languages, glossaries.clone(), Some(service), ledger.clone()))
            }
            ProcessorName::WriteBack => Arc::new(WriteBack {
                archive: ledger.clone(),
                dossiers: ledger.clone(),
                fetch: bucket.clone(),
                store: bucket.clone(),
                originals: bucket.clone(),
            }),
            ProcessorName::Faces => {
                let FaceFront { gallery, fetch, intake } = faces.clone();
                Arc::new(FaceRequests { cloud: Cloud::Aws, gallery, fetch, intake })
            }
            ProcessorName::LabelMessages => Arc::new(Labels::new(pipeline.clone())),
            ProcessorName::Dispatch => Arc::new(dispatch(settings, ledger)?),
            ProcessorName::Notify => return Ok(None),
        };
        Ok(Some(processor))
    };
    settings.processors.iter().filter_map(|name| processor(name).transpose()).collect()
}

/// Sends answers in the account's name.
fn dispatch(settings: &Settings, ledger: &Arc<DynamoLedger>) -> Result<Dispatch> {
    let missing = || internal("answers are sent without an account");
    let carrier = Arc::new(Twilio::new(settings.messages.account.clone().ok_or_else(missing)?)?);
    let dispatch = Dispatch::new(carrier, ledger.clone(), ledger.clone(), settings.messages.limits);
    Ok(dispatch.settling(settings.messages.settles))
}

/// The webhook for messages, where this function is their front door.
fn door(settings: &Settings, ledger: &Arc<DynamoLedger>, publish: &Arc<dyn Publish>) -> Router {
    let Some(verifier) = settings.messages.verifier.clone() else { return Router::new() };
    let door = Door {
        cloud: Cloud::Aws,
        numbers: ledger.clone(),
        journal: ledger.clone(),
        outbox: ledger.clone(),
        publish: publish.clone(),
        limits: settings.messages.limits,
    };
    messages::routes(verifier, door)
}

/// The collections of faces, where Rekognition is to keep them.
fn gallery(
    settings: &Settings,
    clients: &Clients,
    pipeline: &Pipeline,
    ledger: &Arc<DynamoLedger>,
) -> Result<Option<Gallery>> {
    if settings.faces.is_none() {
        return Ok(None);
    }
    let intake = pipeline.look.intake.clone();
    let service = Arc::new(RekognitionFaces::new(clients.rekognition.clone(), intake, &settings.stage));
    Ok(Some(Gallery::new(service, ledger.clone(), Wikipedia::at(settings.wikipedia.as_ref())?)))
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
