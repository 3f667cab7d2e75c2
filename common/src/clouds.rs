//! What a gateway tells about the clouds behind it: the words that its admin listener speaks and that `crosslens clouds`
//! and `crosslens shift` read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// All clouds side by side, as `GET /clouds` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudsReport {
    /// How new requests are spread over the clouds.
    pub distribution: Distribution,
    /// Since when everything is counted: the start of the gateway.
    pub since: Timestamp,
    /// The clouds, in the order of the configuration.
    pub clouds: Vec<CloudReport>,
}

/// How new requests are spread over the clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// By the weights of the clouds.
    #[default]
    Weighted,
    /// To the first cloud that is there; between equals, to the least loaded one.
    FirstAvailable,
}

impl Distribution {
    /// The name on the wire and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Distribution::Weighted => "weighted",
            Distribution::FirstAvailable => "first-available",
        }
    }
}

/// One cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudReport {
    /// Its name in the configuration, and in `x-crosslens-cloud`.
    pub name: String,
    /// Its part of new requests, in proportion to the weights of the others.
    pub weight: u32,
    /// Its colours, in the order of the configuration.
    pub colours: Vec<ColourReport>,
}

/// One colour of a cloud: a deployment of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColourReport {
    /// Its name in the configuration, and in `x-crosslens-colour`.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// Its part of its cloud's requests, in proportion to the weights of the other colours.
    pub weight: u32,
    /// What it gets of all new requests now, from 0 to 1: its weight, its cloud's, and who else is healthy.
    pub share: f64,
    /// Whether it is asked.
    pub state: ColourState,
    /// What it is left alone for; `None` where it is not.
    pub why: Option<String>,
    /// Requests that it works on now.
    pub under_way: u64,
    /// Tries since the start, whatever came of them.
    pub requests: u64,
    /// Those that failed: no answer, or one of 500 and above.
    pub errors: u64,
    /// Half of the answers of the last five to ten minutes came sooner, in milliseconds; `None` where there were none.
    pub p50_ms: Option<f64>,
    /// 95 of a hundred came sooner.
    pub p95_ms: Option<f64>,
    /// 99 of a hundred came sooner.
    pub p99_ms: Option<f64>,
    /// Who made the answers, by name.
    pub providers: Vec<ProviderReport>,
}

/// Whether a colour is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourState {
    /// It gets its share.
    Healthy,
    /// It has recovered and gets a growing part of its share.
    Warming,
    /// It is left alone for a time, for what real requests met.
    Resting,
    /// It is left alone until it answers to health checks again.
    Unreachable,
}

impl ColourState {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ColourState::Healthy => "healthy",
            ColourState::Warming => "warming",
            ColourState::Resting => "resting",
            ColourState::Unreachable => "unreachable",
        }
    }
}

/// What one provider has answered behind a colour, and what that cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderReport {
    /// Its name, as in an answer's `detector.provider`.
    pub name: String,
    /// Analyses that it made, counted off the answers.
    pub answers: u64,
    /// Those that are paid for: not the ones that were kept from before.
    pub billed: u64,
    /// US dollars for a thousand images, as configured; `None` where no price is.
    pub price_per_thousand: Option<f64>,
    /// US dollars so far; `None` where no price is configured.
    pub cost: Option<f64>,
}

/// Where a colour's weight is to be, as `POST /shift` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shift {
    /// The cloud.
    pub cloud: String,
    /// Its colour.
    pub colour: String,
    /// What the colour is to get of its cloud's requests, from 0 to 100; the other colours share the rest as they did.
    pub percent: u8,
}
