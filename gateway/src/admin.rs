//! What the operator sees and does, on a loopback listener: the clouds side by side, traffic between colours, the configuration
//! again, the metrics.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use common::{
    clouds::{CloudReport, CloudsReport, ColourReport, ProviderReport, Shift},
    endpoints::{Level, State as Health},
    error::{Error, Kind, Result, internal},
    http::{Callers, Guard, layers},
    request::Cloud as Place,
};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use crate::{
    fleet::{Cloud, Colour, Fleet, shown},
    running::Reload,
};

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) reload: Arc<Reload>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) since: Timestamp,
}

pub(crate) fn routes(admin: Admin) -> Router {
    let routes = Router::new()
        .route("/clouds", get(clouds))
        .route("/shift", post(shift))
        .route("/reload", post(reload))
        .route("/metrics", get(async |State(admin): State<Admin>| admin.metrics.render()))
        .route("/health/live", get(async || Json(json!({ "status": "live" }))))
        .with_state(admin);
    layers::wrap(routes, Place::Local, Guard::Loopback, Callers::Anybody)
}

async fn clouds(State(admin): State<Admin>) -> Json<CloudsReport> {
    let running = admin.reload.running.load_full();
    let fleet = &running.fleet;
    let clouds = fleet.clouds.iter().map(|cloud| cloud_report(cloud, fleet)).collect();
    Json(CloudsReport { distribution: fleet.distribution(), since: admin.since, clouds })
}

/// Gives one colour so many of a hundred requests of its cloud; the others share the rest as they did.
async fn shift(
    State(admin): State<Admin>,
    body: Result<Json<Shift>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<CloudReport>> {
    let wrong = |why: String| Error::new(Kind::InvalidRequest, why);
    let Json(shift) = body.map_err(|rejected| wrong(rejected.body_text()))?;
    let running = admin.reload.running.load_full();
    let cloud = running.fleet.find(&shift.cloud).and_then(|place| running.fleet.clouds.get(place));
    let cloud = cloud.ok_or_else(|| wrong(format!("there is no cloud {}", shift.cloud)))?;
    let chosen = cloud.colours.iter().position(|placed| placed.colour.name == shift.colour);
    let chosen = chosen.ok_or_else(|| wrong(format!("cloud {} has no colour {}", shift.cloud, shift.colour)))?;
    if shift.percent > 100 {
        return Err(wrong("percent is from 0 to 100".to_owned()));
    }
    let weights: Vec<u32> = cloud.colours.iter().map(|placed| placed.weight.load(Ordering::Relaxed)).collect();
    let next = shifted(&weights, chosen, shift.percent).ok_or_else(|| wrong("there is no other colour".to_owned()))?;
    for (placed, weight) in cloud.colours.iter().zip(next) {
        placed.weight.store(weight, Ordering::Relaxed);
    }
    tracing::info!(cloud = shift.cloud, colour = shift.colour, percent = shift.percent, "traffic is shifted");
    Ok(Json(cloud_report(cloud, &running.fleet)))
}

/// Weights of which the chosen one has `percent` of a hundred; in hundredths, so that small parts of a part stay whole.
fn shifted(weights: &[u32], chosen: usize, percent: u8) -> Option<Vec<u32>> {
    let others = weights.iter().enumerate().filter(|(place, _)| *place != chosen);
    let count = u32::try_from(others.clone().count()).ok()?;
    if count == 0 && percent < 100 {
        return None;
    }
    let total: u64 = others.map(|(_, weight)| u64::from(*weight)).sum();
    let rest = u64::from(100 - percent) * 100;
    let part = |place: usize, weight: u32| match (place == chosen, total) {
        (true, _) => u64::from(percent) * 100,
        // Nobody had anything: all the same.
        (false, 0) => rest / u64::from(count.max(1)),
        (false, total) => rest * u64::from(weight) / total,
    };
    weights.iter().enumerate().map(|(place, weight)| u32::try_from(part(place, *weight)).ok()).collect()
}

async fn reload(State(admin): State<Admin>) -> Result<Json<Value>> {
    let load = move || admin.reload.load();
    tokio::task::spawn_blocking(load).await.map_err(internal)??;
    Ok(Json(json!({ "loaded": true })))
}

fn cloud_report(cloud: &Cloud, fleet: &Fleet) -> CloudReport {
    let weights = |cloud: &Cloud| if asked(cloud) { f64::from(cloud.weight) } else { 0.0 };
    let all: f64 = fleet.clouds.iter().map(weights).sum();
    let mine = if all > 0.0 { weights(cloud) / all } else { 0.0 };
    let colours: Vec<(&Arc<Colour>, u32)> =
        cloud.colours.iter().map(|placed| (&placed.colour, placed.weight.load(Ordering::Relaxed))).collect();
    let load = |(colour, weight): &(&Arc<Colour>, u32)| match colour.health.level() {
        Level::Good => f64::from(*weight) * colour.health.share(),
        _ => 0.0,
    };
    let all: f64 = colours.iter().map(load).sum();
    let share = |one: &(&Arc<Colour>, u32)| if all > 0.0 { mine * load(one) / all } else { 0.0 };
    let report = |one: &(&Arc<Colour>, u32)| colour_report(one.0, one.1, share(one), cloud);
    CloudReport { name: cloud.name.clone(), weight: cloud.weight, colours: colours.iter().map(report).collect() }
}

fn asked(cloud: &Cloud) -> bool {
    cloud.colours.iter().any(|placed| placed.colour.health.level() == Level::Good)
}

fn colour_report(colour: &Colour, weight: u32, share: f64, cloud: &Cloud) -> ColourReport {
    let state = colour.health.state();
    let why = match state {
        Health::Healthy | Health::Warming => None,
        Health::Unreachable => Some("health checks fail"),
        Health::Failing => Some("it failed several times in a row"),
        Health::Unwell => Some("too many answers failed or were slow"),
    };
    let (requests, errors) = colour.tally.counts();
    let times = colour.tally.percentiles();
    let providers = colour.tally.providers().into_iter().map(|(name, (answers, billed))| {
        let price = cloud.price.get(&name).copied();
        #[expect(clippy::cast_precision_loss, reason = "money for people to read")]
        let cost = price.map(|price| price * billed as f64 / 1000.0);
        ProviderReport { name, answers, billed, price_per_thousand: price, cost }
    });
    ColourReport {
        name: colour.name.clone(),
        url: colour.url.clone(),
        weight,
        share,
        state: shown(state),
        why: why.map(ToOwned::to_owned),
        under_way: u64::try_from(colour.under_way.load(Ordering::Relaxed)).unwrap_or(u64::MAX),
        requests,
        errors,
        p50_ms: times.map(|[p50, _, _]| p50),
        p95_ms: times.map(|[_, p95, _]| p95),
        p99_ms: times.map(|[_, _, p99]| p99),
        providers: providers.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_share_the_rest_as_they_did() {
        let check = |weights: &[u32], percent, expected: Option<&[u32]>| {
            assert_eq!(shifted(weights, 1, percent).as_deref(), expected, "{weights:?} {percent}");
        };
        check(&[100, 0], 10, Some(&[9000, 1000]));
        check(&[9000, 1000], 100, Some(&[0, 10_000]));
        check(&[0, 10_000], 0, Some(&[10_000, 0]));
        check(&[60, 0, 20], 20, Some(&[6000, 2000, 2000]));
        assert_eq!(shifted(&[100], 0, 50), None);
    }
}
