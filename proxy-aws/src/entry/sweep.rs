//! What the schedule does every minute: publishes what a killed invocation or a refusing topic left behind, lets go what
//! has been kept for long enough, and tells how old the oldest unpublished event is.

use std::{io::Write as _, time::Duration};

use common::{error::Result, pipeline::Pipeline};
use serde_json::json;
use tokio::time::Instant;
use tracing::info;

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
        self.tell_age(self.ledger.outbox_age().await?.unwrap_or_default());
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
        info!(published, let_go, "swept");
        swept
    }

    /// A line in CloudWatch's embedded metric format
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
    fn tell_age(&self, age: Duration) {
        let metrics = json!([{ "Name": "OutboxAgeSeconds", "Unit": "Seconds" }]);
        let line = json!({
            "_aws": {
                "Timestamp": jiff::Timestamp::now().as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": "Crosslens", "Dimensions": [["Stage"]], "Metrics": metrics }],
            },
            "Stage": self.stage,
            "OutboxAgeSeconds": age.as_secs(),
        });
        // Nobody reading is no reason to stop.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
