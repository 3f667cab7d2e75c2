//! How long, how much and how many: every number of the configuration, with its default.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use common::{
    clouds::Distribution,
    endpoints::{Patience, Rate, Thresholds},
};
use serde::Deserialize;

use super::{Config, sections::seconds};

/// What stands above all sections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Front {
    /// Where clients come.
    pub(crate) listen: SocketAddr,
    /// Where the operator comes; loopback only.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) distribution: Distribution,
    /// Lets everybody in who reaches a listener that is not loopback.
    pub(crate) allow_unauthenticated: bool,
    /// The most that one request may take.
    #[serde(deserialize_with = "seconds")]
    pub(crate) deadline: Duration,
    /// Bytes of a request's body; more is 413.
    pub(crate) max_body: usize,
    /// Bytes of a body that are kept for a second try; a larger one is streamed once.
    pub(crate) keep_body: usize,
    /// Bytes of all kept bodies together.
    pub(crate) keep_bodies: usize,
    /// A client that sends or takes nothing for so long is cut.
    #[serde(deserialize_with = "seconds")]
    pub(crate) slow_client: Duration,
    /// Connections of clients at a time; more wait in the kernel's queue.
    pub(crate) max_connections: usize,
    /// May a 429 of one cloud be paid for at another.
    pub(crate) pay_elsewhere: bool,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin: None,
            distribution: Distribution::Weighted,
            allow_unauthenticated: false,
            deadline: Duration::from_secs(30),
            max_body: 20_000_000,
            keep_body: 8_000_000,
            keep_bodies: 256_000_000,
            slow_client: Duration::from_secs(10),
            max_connections: 20_000,
            pay_elsewhere: false,
        }
    }
}

/// The certificate for clients, as PEM files; read again with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How clouds are looked after when nobody asks them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Looking {
    pub(crate) path: String,
    #[serde(deserialize_with = "seconds")]
    pub(crate) interval: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) timeout: Duration,
    pub(crate) failures: u32,
    pub(crate) successes: u32,
}

impl Default for Looking {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { path: "/health/ready".to_owned(), interval: second, timeout: second, failures: 2, successes: 2 }
    }
}

impl Looking {
    pub(crate) fn thresholds(&self) -> Thresholds {
        let stale = 10 * (self.interval + self.timeout);
        Thresholds { failures: self.failures, successes: self.successes, stale }
    }
}

/// When real requests have a colour left alone, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ejection {
    /// Failures in a row,
    pub(crate) failures: u32,
    /// or this share of failed and slow answers, from 0 to 1,
    pub(crate) share: f64,
    /// of at least so many
    pub(crate) least: u32,
    /// within this time.
    #[serde(deserialize_with = "seconds")]
    pub(crate) window: Duration,
    /// A slower answer counts as failed, in the share and not in the row.
    #[serde(deserialize_with = "seconds")]
    pub(crate) slow: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) first_rest: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) longest_rest: Duration,
    /// How long its share grows after a recovery.
    #[serde(deserialize_with = "seconds")]
    pub(crate) warm_up: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            share: 0.5,
            least: 20,
            window: Duration::from_secs(10),
            slow: Duration::from_secs(10),
            first_rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(15),
            warm_up: Duration::from_secs(10),
        }
    }
}

impl Ejection {
    pub(crate) fn patience(&self) -> Patience {
        let rate = Some(Rate { share: self.share, least: self.least, window: self.window });
        Patience { failures: self.failures, first_rest: self.first_rest, longest_rest: self.longest_rest, rate }
    }
}

/// How many second tries there may be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retries {
    /// For each request of the last ten seconds, from 0 to 1.
    pub(crate) budget: f32,
    /// A second, whatever the traffic.
    pub(crate) reserve: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { budget: 0.2, reserve: 3 }
    }
}

/// How clouds are connected to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Connecting {
    #[serde(deserialize_with = "seconds")]
    pub(crate) timeout: Duration,
}

impl Default for Connecting {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(1) }
    }
}

/// What is contradictory, or out of its range.
pub(super) fn check(config: &Config, problems: &mut Vec<String>) {
    let (front, health, ejection) = (&config.front, &config.health, &config.ejection);
    let open = !front.listen.ip().is_loopback() && config.keys.is_empty() && !front.allow_unauthenticated;
    let wrong = [
        (
            front.admin.is_some_and(|admin| !admin.ip().is_loopback()),
            "admin: only a loopback address, as 127.0.0.1:9901",
        ),
        (
            open,
            "listen: everybody could call; add [[keys]] (`gateway key NAME` makes one) or say allow_unauthenticated = true",
        ),
        (front.max_body == 0 || front.max_connections == 0, "max_body, max_connections: at least 1"),
        (front.keep_body > front.max_body, "keep_body: more than max_body is never kept"),
        (!health.path.starts_with('/'), "health.path: begins with /"),
        (health.failures == 0 || health.successes == 0, "health: failures and successes are at least 1"),
        (ejection.failures == 0 || ejection.least == 0, "ejection: failures and least are at least 1"),
        (!(0.01..=1.0).contains(&ejection.share), "ejection.share: from 0.01 to 1"),
        (ejection.longest_rest < ejection.first_rest, "ejection.longest_rest: shorter than first_rest"),
        (!(0.0..=1.0).contains(&config.retries.budget), "retries.budget: from 0 to 1"),
    ];
    problems.extend(wrong.iter().filter(|(wrong, _)| *wrong).map(|(_, problem)| (*problem).to_owned()));
    for file in config.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]) {
        if let Err(error) = std::fs::File::open(file) {
            problems.push(format!("tls: {}: {error}", file.display()));
        }
    }
}
