//! Figures that no service of AWS tells by itself, as lines in CloudWatch's embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::{io::Write as _, time::Duration};

use serde_json::json;

/// How long the oldest of something waits; 0 where nothing does.
pub(super) fn age(stage: &str, name: &str, age: Option<Duration>) {
    tell(stage, name, "Seconds", age.unwrap_or_default().as_secs());
}

/// One more of something.
pub(super) fn one(stage: &str, name: &str) {
    tell(stage, name, "Count", 1);
}

fn tell(stage: &str, name: &str, unit: &str, value: u64) {
    let metrics = json!([{ "Name": name, "Unit": unit }]);
    let line = json!({
        "_aws": {
            "Timestamp": jiff::Timestamp::now().as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": "Crosslens", "Dimensions": [["Stage"]], "Metrics": metrics }],
        },
        "Stage": stage,
        name: value,
    });
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}
