//! Says of which colour a picture mostly is.

use async_trait::async_trait;
use common::{
    error::Result,
    event::{Event, Payload, Topic},
    ports::Settlement,
};
use tracing::info;

use crate::Processor;

/// Writes a line about each picture whose colours are known.
pub struct Colours;

#[async_trait]
impl Processor for Colours {
    fn name(&self) -> &str {
        "colours"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::ImageLabelled]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        if let Payload::Labelled(analysis) = &event.data
            && let Some(colour) = analysis.findings.properties.iter().flatten().next()
        {
            info!(image = %analysis.id, colour = colour.rgb, "mostly of one colour");
        }
        Ok(Settlement::default())
    }
}
