//! What the bench gives the function that this one is compared with: the same variables, and of them only what the calls need.

use std::env;

/// Where the calls go.
pub(crate) struct Config {
    pub(crate) table: String,
    pub(crate) topic: String,
    pub(crate) detect: String,
}

impl Config {
    /// As the variables have it; the first topic and the first detector of several.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn from_environment() -> Result<Self, env::VarError> {
        let first = |list: String, place: usize| list.split([',', '=']).nth(place).unwrap_or_default().to_owned();
        let detector = first(env::var("CROSSLENS_DETECTORS")?, 0);
        Ok(Self {
            table: env::var("CROSSLENS_TABLE")?,
            topic: first(env::var("CROSSLENS_TOPICS")?, 1),
            detect: format!("{}/v1/detect", detector.trim_end_matches('/')),
        })
    }
}
