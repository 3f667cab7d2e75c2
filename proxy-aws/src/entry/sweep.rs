//! What the schedule does every minute: publishes what a killed invocation or a refusing topic left behind, lets go what
//! has been kept for long enough, vectors of faces included, and tells how long the oldest unpublished event and the oldest image on the review list wait.

use std::time::Duration;

use common::{error::Result, faces::Gallery, pipeline::Pipeline};
use tokio::time::Instant;
use tracing::info;

use super::metric;
use crate::dynamodb::DynamoLedger;

/// Requests let go between two looks at the clock.
const STEP: usize = 100;

/// The scheduled work.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Sweep {
    pub pipeline: Pipeline,
    pub ledger: DynamoLedger,
    /// How old an unpublished event must be: whoever recorded it may be about to publish it.
    pub age: Duration,
    /// The collections of faces, and how long a vector stays; `None` where there are none.
    pub faces: Option<(Gallery, Duration)>,
    /// The deployment's name, a dimension of its metrics.
    pub stage: String,
}

impl Sweep {
    /// Does what there is to do, until the deadline.
    pub(super) async fn run(&self, deadline: Instant) -> Result<()> {
        let mut published: usize = 0;
        let swept = loop {
            match self.pipeline.sweep(self.age).await {
                Ok(0) => break Ok(()),
                Ok(_) if Instant::now() >= deadline => break Ok(()),
                Ok(some) => published = published.saturating_add(some),
                Err(error) => break Err(error),
            }
        };
        // Told whatever happened: a topic that refuses is what the alarm is for.
        metric::age(&self.stage, "OutboxAgeSeconds", self.ledger.outbox_age().await?);
        metric::age(&self.stage, "ReviewAgeSeconds", self.ledger.review_age().await?);
        let mut let_go: usize = 0;
        while Instant::now() < deadline {
            let over = self.ledger.over(STEP).await?;
            if over.is_empty() {
                break;
            }
            for id in &over {
                self.pipeline.forget(&self.ledger, id).await?;
            }
            let_go = let_go.saturating_add(over.len());
        }
        let mut faces: usize = 0;
        if let Some((gallery, age)) = &self.faces {
            faces = gallery.expire(*age, STEP).await?;
        }
        info!(published, let_go, faces, "swept");
        swept
    }
}
