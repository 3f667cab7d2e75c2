//! `crosslens up`: a whole Crosslens on one machine.

use std::{io::Write, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use common::{
    analysis::{Feature, Features},
    error::{Error, Kind, Result},
    http::{
        Admission, Callers, Drain, FaceFront, Front, Kept, Patience, api, collections, install_metrics, layers, serve,
        terminated,
    },
    pipeline::Pipeline,
    request::Cloud,
    sample::SAMPLE,
};
use local::{From, OBJECT_CREATED, Retries, Subscription};
use tokio::{net::TcpListener, sync::watch, time::interval};
use tracing::{error, info, warn};

use crate::{
    compose::{self, Composed},
    config::{Detector, Faces, UpSettings},
    downstream::{self, Askable, Files},
    faces, messages,
    page::{self, Live},
    reviews, sns,
    uploads::{self, Labeller},
    webhook,
};

/// The most that requests under way may take once a stop was asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// How often the outbox is swept; what is younger than this is being published by its own request.
const SWEEP: Duration = Duration::from_secs(5);
/// Tries of an answer to a person before it is a dead letter: with waits that double up to five minutes, Twilio may be away for half an
/// hour.
const MESSAGE_TRIES: u32 = 14;
/// How often it is seen whether the policy or the glossary has changed.
const LOOK: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(settings: UpSettings) -> Result<ExitCode> {
    let listener = TcpListener::bind(settings.listen).await.map_err(|cause| busy(&settings, &cause))?;
    let address = listener.local_addr().map_err(common::error::internal)?;
    let files = Files::read(&settings.common, &settings.translating)?;
    let tells = matches!(settings.common.detector, Detector::Local).then(Features::default);
    let screen = Askable { policies: files.policies.clone(), tells };
    let composed = compose::exclusive(&settings.common, Arc::new(screen)).await?;
    composed.pipeline.sweep(Duration::ZERO).await?;
    let faces = faces::front(&settings.faces, &composed).await?;
    let consumers = consumers(&settings, &composed, &files, &faces).await?;
    let watch = composed.local.watch()?;
    let (stop, stopping) = watch::channel(false);
    let house = keep_house(composed.pipeline.clone(), composed.local.clone(), files, settings.retention);
    let forgetting = tokio::spawn(keep_faces(settings.faces.clone(), faces.clone()));
    let housekeeping = tokio::spawn(house);
    let app = app(&settings, &composed, faces, address, stopping)?;

    welcome(&settings, &format!("http://{address}"));
    let stopped = async {
        terminated().await;
        stop.send_replace(true);
    };
    let drain = serve(listener, app, stopped, Patience { head: settings.head_timeout, drain: DRAIN }).await;
    housekeeping.abort();
    forgetting.abort();
    drop(watch);
    for consumer in consumers {
        consumer.stop().await;
    }
    if drain == Drain::Cut {
        warn!("some requests were cut: they took longer than {DRAIN:?}");
    }
    Ok(ExitCode::SUCCESS)
}

fn app(
    settings: &UpSettings,
    composed: &Composed,
    faces: FaceFront,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> Result<Router> {
    let metrics = install_metrics()?;
    let front = Front {
        look: composed.pipeline.look.clone(),
        kept: Some(Kept {
            pipeline: composed.pipeline.clone(),
            erase: Arc::new(composed.local.ledger.clone()),
            index: Some(Arc::new(composed.local.ledger.clone())),
        }),
        sample: SAMPLE,
        deadline: settings.deadline,
        admission: Admission::new(settings.concurrency, settings.queue),
    };
    let uploads = uploads::routes(composed.local.bucket.clone(), settings.common.limits.max_bytes);
    let mut routes = api(&front)
        .merge(layers::admitted(uploads, &front.admission, front.deadline))
        .merge(layers::admitted(collections(faces), &front.admission, front.deadline))
        .merge(layers::admitted(reviews::routes(composed.local.clone()), &front.admission, front.deadline))
        .merge(layers::admitted(
            sns::routes(settings.sns.as_ref(), Arc::new(composed.local.topics.clone()))?,
            &front.admission,
            front.deadline,
        ))
        .merge(layers::admitted(messages::routes(settings, composed, address)?, &front.admission, front.deadline))
        .merge(page::routes(Live { topics: composed.local.topics.clone(), stopping }));
    // Figures are nothing for strangers.
    if settings.listen.ip().is_loopback() || matches!(settings.callers, Callers::Keys(_)) {
        routes = routes.route("/metrics", get(async move || metrics.render()));
    }
    Ok(layers::wrap(routes, Cloud::Local, settings.guard, settings.callers.clone()))
}

/// The labeller of uploads, the processors, and one consumer for each webhook.
async fn consumers(
    settings: &UpSettings,
    composed: &Composed,
    files: &Files,
    faces: &FaceFront,
) -> Result<Vec<Subscription>> {
    let topics = &composed.local.topics;
    let labeller = Labeller(composed.pipeline.clone());
    let at_a_time = std::thread::available_parallelism().map_or(4, usize::from) * 4;
    let retries = settings.retries;
    let label =
        topics.subscribe("label", &[OBJECT_CREATED], From::Start, at_a_time, retries, Arc::new(labeller)).await?;
    let mut consumers = vec![label];
    let mut built_in = downstream::built_in(composed, files, &settings.translating);
    built_in.push(Arc::new(faces::processor(faces)));
    consumers.extend(downstream::attach(composed, built_in, retries).await?);
    let patient = Retries { tries: MESSAGE_TRIES, ..retries };
    consumers.extend(downstream::attach(composed, messages::processors(settings, composed)?, patient).await?);
    consumers.extend(downstream::tell(composed, webhook::notifiers(settings)?, retries).await?);
    Ok(consumers)
}

/// Publishes what a failure kept back, forgets what is older than the retention, and reads the operator's files again.
async fn keep_house(pipeline: Pipeline, local: local::Local, mut files: Files, retention: Option<Duration>) {
    let (mut ticks, mut looks) = (interval(SWEEP), interval(LOOK));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = looks.tick() => {
                files.refresh();
                continue;
            }
        }
        downstream::tell_waiting(&local).await;
        if let Err(error) = pipeline.sweep(SWEEP).await {
            error!(%error, cause = error.causes(), "recorded events are not published yet");
        }
        if let Some(retention) = retention
            && let Err(error) = local.purge(retention).await
        {
            error!(%error, cause = error.causes(), "what is older than the retention is not forgotten yet");
        }
    }
}

/// Forgets faces that have been kept for long enough.
async fn keep_faces(settings: Faces, front: FaceFront) {
    let mut ticks = interval(SWEEP);
    while let Some(gallery) = &front.gallery {
        ticks.tick().await;
        match faces::expire(&settings, gallery).await {
            Ok(0) => {}
            Ok(vectors) => info!(vectors, "faces are forgotten, their time was over"),
            Err(error) => error!(%error, cause = error.causes(), "faces whose time is over are not forgotten yet"),
        }
    }
}

fn busy(settings: &UpSettings, cause: &std::io::Error) -> Error {
    let listen = settings.listen;
    let hint = "choose another address with --listen, or 127.0.0.1:0 for a free port";
    Error::new(Kind::Unavailable, format!("cannot listen on {listen}: {cause}; {hint}"))
}

/// What somebody who starts it wants to know, on standard output; logs go to standard error.
fn welcome(settings: &UpSettings, url: &str) {
    let bucket = settings.common.data.join("bucket");
    let can = match &settings.common.detector {
        Detector::Local => {
            let cannot =
                Feature::ALL.iter().filter(|feature| **feature != Feature::Labels).map(|feature| feature.name());
            let cannot = cannot.collect::<Vec<_>>().join(", ");
            format!("labels by the embedded model, on this machine; it cannot tell {cannot}")
        }
        #[cfg(feature = "gcp")]
        Detector::Vision => {
            "what Google Vision tells, at your Google project's cost; it cannot tell celebrities".to_owned()
        }
        Detector::Remote(url) => format!("whatever the detector at {} can tell", url.host_str().unwrap_or_default()),
    };
    let judges = match (&settings.common.policy, &settings.common.detector) {
        (Some(policy), _) => format!("by {}", policy.display()),
        (None, Detector::Local) => {
            "by the built-in policy; the embedded model cannot judge safety, so pictures stay undecided and are left alone"
                .to_owned()
        }
        (None, _) => "by the built-in policy: what is very likely adult or violent is blurred".to_owned(),
    };
    let text = format!(
        "ready {url}\n\
         \n\
         answers   {can}\n\
         moderates {judges}\n\
         keeps     everything in {}\n\
         \n\
         try       open {url} and drop a picture\n\
         \u{20}         curl --data-binary @picture.jpg {url}/v1/images\n\
         \u{20}         cp picture.jpg {}\n\
         \u{20}         crosslens label picture.jpg\n\
         \u{20}         crosslens message label --image picture.jpg\n\
         \u{20}         crosslens events tail\n",
        settings.common.data.display(),
        bucket.display(),
    );
    // Nobody reading is no reason to stop.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}
