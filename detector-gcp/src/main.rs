//! `detector-gcp`: which detector stands behind the port, who may call, and the HTTP of `common` around it.

mod config;

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use clap::Parser;
use common::{
    detectors::Cached,
    error::{Error, Kind, Result, internal},
    http::{
        Admission, Callers, Drain, Front, Guard, Patience, api, install_metrics, layers, serve, terminated, use_ring,
    },
    intake::Intake,
    look::Look,
    ports::Detect,
    request::Cloud,
    sample::SAMPLE,
    source::{FetchLimits, SourcePolicy, SystemResolver, WebFetcher},
};
use detector_gcp::{annotate, cloud_logging, id_tokens::IdTokens, vision::Vision};
use tokio::net::TcpListener;
use tracing::{info, warn};

use config::{Detector, Flags, Settings, environment};

/// What Cloud Run gives a container between SIGTERM and its end.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest that a client may take for a request's head.
const HEAD: Duration = Duration::from_secs(30);
/// Answers kept in memory: one is about a kilobyte.
const ANSWERS: usize = 4096;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.causes();
            let because = if causes.is_empty() { String::new() } else { format!(" ({causes})") };
            let _ = writeln!(std::io::stderr(), "detector-gcp: {}{because}", error.message());
            ExitCode::from(if error.kind() == Kind::InvalidRequest { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<()> {
    let settings = Settings::resolve(&Flags::parse(), &environment())?;
    cloud_logging::init(&settings.log_filter, settings.project.clone())?;
    use_ring();
    let front = front(&settings).await?;
    let callers = match &settings.callers {
        config::Callers::IdTokens(audience) => Callers::Tokens(Arc::new(IdTokens::new(audience)?)),
        config::Callers::Anybody => {
            warn!("everybody who reaches this listener may spend this project's Vision budget");
            Callers::Anybody
        }
    };
    let app = app(&front, callers)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|cause| Error::new(Kind::Unavailable, format!("cannot listen on {}: {cause}", settings.listen)))?;
    let address = listener.local_addr().map_err(internal)?;
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stdout(), "ready http://{address}");
    if serve(listener, app, terminated(), Patience { head: HEAD, drain: DRAIN }).await == Drain::Cut {
        warn!("some requests were cut: they took longer than {DRAIN:?}");
    }
    info!("stopped");
    Ok(())
}

/// The routes that every front has, Google's own, and the figures for whoever may call.
fn app(front: &Front, callers: Callers) -> Result<Router> {
    let metrics = install_metrics()?;
    let routes = api(front).merge(annotate::routes(front)).route("/metrics", get(async move || metrics.render()));
    Ok(layers::wrap(routes, Cloud::Gcp, Guard::Off, callers))
}

async fn front(settings: &Settings) -> Result<Front> {
    let intake = Intake::new(settings.limits);
    let detect = Arc::new(Cached::new(detector(settings, intake.clone()).await?, ANSWERS));
    let limits = FetchLimits { max_bytes: settings.limits.max_bytes, ..FetchLimits::default() };
    let policy = SourcePolicy::new(settings.allow_source.clone());
    let fetch = Arc::new(WebFetcher::new(policy, limits, Arc::new(SystemResolver))?);
    Ok(Front {
        look: Look { cloud: Cloud::Gcp, intake, fetch, detect },
        kept: None,
        sample: SAMPLE,
        deadline: settings.deadline,
        admission: Admission::new(settings.concurrency, settings.queue),
    })
}

async fn detector(settings: &Settings, intake: Intake) -> Result<Arc<dyn Detect>> {
    match settings.detector {
        Detector::Vision => Ok(Arc::new(Vision::new(&settings.vision, intake).await?)),
        #[cfg(feature = "local")]
        Detector::Local => {
            let model = detector_local::ModelConfig::default();
            Ok(Arc::new(detector_local::LocalDetector::open(&settings.cache, &model, intake)?))
        }
        #[cfg(not(feature = "local"))]
        Detector::Local => Err(internal("a setting that this build refuses")),
    }
}
