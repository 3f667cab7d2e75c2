//! What the operator decides about Vision.

use clap::Args;
use common::settings::{Layers, number};
use url::Url;

/// The settings as flags.
#[derive(Debug, Default, Clone, Args)]
pub struct VisionFlags {
    /// Billed units a day (UTC) at the most, for this instance [default: 10000]
    #[arg(long, value_name = "N")]
    units_per_day: Option<String>,
    /// Images a minute that are sent to Vision at the most, by this instance [default: 1800]
    #[arg(long, value_name = "N")]
    quota_per_minute: Option<String>,
    /// Another address with Vision's REST API
    #[arg(long, value_name = "URL")]
    vision_endpoint: Option<String>,
    /// Whose money it is: application-default credentials, or none for an endpoint that asks for none [default: default]
    #[arg(long, value_name = "default|none")]
    vision_credentials: Option<String>,
}

/// The settings.
#[derive(Debug, Clone)]
pub struct VisionSettings {
    /// Where Vision is; Google's own address without it. Anything with the same REST API will do.
    pub endpoint: Option<Url>,
    /// Whose money it is.
    pub credentials: Credentials,
    /// Images a minute that are sent at the most: the project's quota, or this instance's part of it.
    pub images_per_minute: u32,
    /// Billed units a day (UTC) at the most.
    pub units_per_day: u32,
}

/// Whose money it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Google's application-default credentials: the service's own account, or the user's.
    Default,
    /// None, for a server that asks for none.
    Anonymous,
}

impl Default for VisionSettings {
    fn default() -> Self {
        Self { endpoint: None, credentials: Credentials::Default, images_per_minute: 1800, units_per_day: 10_000 }
    }
}

impl VisionSettings {
    /// Reads them; what is wrong stays with `layers`.
    pub fn read(layers: &mut Layers<'_>, flags: &VisionFlags) -> Self {
        let defaults = Self::default();
        Self {
            endpoint: layers.one("vision_endpoint", flags.vision_endpoint.as_deref(), str::parse::<Url>),
            credentials: layers
                .one("vision_credentials", flags.vision_credentials.as_deref(), credentials)
                .unwrap_or(defaults.credentials),
            images_per_minute: layers
                .one("quota_per_minute", flags.quota_per_minute.as_deref(), number)
                .unwrap_or(defaults.images_per_minute),
            units_per_day: layers
                .one("units_per_day", flags.units_per_day.as_deref(), number)
                .unwrap_or(defaults.units_per_day),
        }
    }
}

fn credentials(text: &str) -> Result<Credentials, String> {
    match text {
        "default" => Ok(Credentials::Default),
        "none" => Ok(Credentials::Anonymous),
        _ => Err("default or none".to_owned()),
    }
}
