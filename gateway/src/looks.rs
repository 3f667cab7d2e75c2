//! Looks at every colour whether it is ready, so that one that is gone is known before a request meets it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::body::Body;
use common::{endpoints::Look, error::internal};
use futures_util::{FutureExt, future::join_all};
use http::Request;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::error;

use crate::{
    client::Client,
    config::Looking,
    fleet::{Cloud, Colour},
    running::Running,
};

/// Looks until the process ends. Should it ever panic it begins again; until then what was known last holds for a while.
pub(crate) async fn keep_looking(running: Arc<ArcSwap<Running>>, client: Client) {
    loop {
        let rounds = AssertUnwindSafe(rounds(&running, &client)).catch_unwind();
        if rounds.await.is_err() {
            error!("looking at the clouds has failed, and begins again");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn rounds(running: &ArcSwap<Running>, client: &Client) {
    loop {
        let begun = Instant::now();
        let now = running.load_full();
        let looking = &now.config.health;
        join_all(now.fleet.colours().map(|(cloud, colour)| async move {
            let look = timeout(looking.timeout, look(client, cloud, colour, looking)).await.unwrap_or(Look::Silent);
            colour.health.looked(look);
            colour.observe();
        }))
        .await;
        sleep_until(begun + looking.interval).await;
    }
}

async fn look(client: &Client, cloud: &Cloud, colour: &Colour, looking: &Looking) -> Look {
    let uri = format!("{}://{}{}{}", colour.scheme, colour.authority, colour.path, looking.path);
    let request = async {
        let (mut parts, body) = Request::get(uri).body(Body::empty()).map_err(internal)?.into_parts();
        if let Some(identity) = &cloud.identity {
            identity.sign(&mut parts, &[]).await?;
        }
        Ok::<_, common::error::Error>(Request::from_parts(parts, body))
    };
    // Without credentials there are no requests either.
    let Ok(request) = request.await else { return Look::NotReady };
    match client.request(request).await {
        Ok(answer) if answer.status().is_success() => Look::Ready,
        Ok(_) => Look::NotReady,
        Err(_) => Look::Silent,
    }
}
