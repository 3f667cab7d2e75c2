//! The clouds behind the gateway, what is sent where, and who may call.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use common::{
    error::{Error, Kind, Result},
    settings::Environment,
};
use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::Config;

/// A cloud.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloudConfig {
    pub(crate) name: String,
    #[serde(default = "half")]
    pub(crate) weight: u32,
    /// Its place in `first-available`; by default that in the file. Equals share by who is least busy.
    pub(crate) priority: Option<u32>,
    /// The prefix of the image ids that it keeps; by default its name.
    pub(crate) ids: Option<String>,
    /// Requests under way for each colour.
    #[serde(default = "most")]
    pub(crate) most: usize,
    /// USD for a thousand images, by provider.
    #[serde(default)]
    pub(crate) price: BTreeMap<String, f64>,
    /// Who we are to it.
    pub(crate) identity: Option<IdentityConfig>,
    #[serde(default)]
    pub(crate) colours: Vec<ColourConfig>,
}

/// One deployment of a cloud.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColourConfig {
    pub(crate) name: String,
    #[serde(deserialize_with = "url")]
    pub(crate) url: Url,
    #[serde(default = "whole")]
    pub(crate) weight: u32,
}

/// How a cloud knows us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum IdentityConfig {
    /// A Google ID token for this audience, by the default credentials.
    IdToken { audience: String },
    /// Requests signed for AWS, by the default credentials.
    Sigv4 { service: String, region: String },
    /// `Authorization: Bearer …`.
    Key { file: Option<PathBuf>, env: Option<String> },
    /// `x-functions-key: …`.
    FunctionKey { file: Option<PathBuf>, env: Option<String> },
}

impl IdentityConfig {
    /// The secret that stands elsewhere, where it is one.
    pub(crate) fn secret(&self, environment: &Environment) -> Option<Result<SecretString>> {
        match self {
            Self::Key { file, env } | Self::FunctionKey { file, env } => {
                Some(read(file.as_ref(), env.as_ref(), environment))
            }
            Self::IdToken { .. } | Self::Sigv4 { .. } => None,
        }
    }
}

fn read(file: Option<&PathBuf>, env: Option<&String>, environment: &Environment) -> Result<SecretString> {
    let refused = |why: String| Error::new(Kind::InvalidRequest, why);
    let text = match (file, env) {
        (Some(file), None) => {
            std::fs::read_to_string(file).map_err(|error| refused(format!("{}: {error}", file.display())))?
        }
        (None, Some(name)) => {
            environment.get(name).cloned().ok_or_else(|| refused(format!("the variable {name} is not set")))?
        }
        _ => return Err(refused("say either file or env".to_owned())),
    };
    match text.trim() {
        "" => Err(refused("the key is empty".to_owned())),
        text if HeaderValue::from_str(text).is_err() => Err(refused("no header can hold the key".to_owned())),
        text => Ok(text.to_owned().into()),
    }
}

/// What is sent to one cloud and nowhere else. All that is named must hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// How the path begins.
    pub(crate) path: Option<String>,
    /// `name: value`.
    pub(crate) header: Option<String>,
    /// One of the features that the query asks for.
    pub(crate) feature: Option<String>,
    pub(crate) cloud: String,
    pub(crate) colour: Option<String>,
}

impl Rule {
    /// The header and its value, where one is named.
    pub(crate) fn header(&self) -> Option<(HeaderName, &str)> {
        let (name, value) = self.header.as_deref()?.split_once(':')?;
        Some((name.trim().parse().ok()?, value.trim()))
    }
}

/// A key that callers may send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyConfig {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) per_minute: Option<u32>,
}

impl CloudConfig {
    /// The prefix of the ids that it keeps.
    pub(crate) fn holds(&self) -> &str {
        self.ids.as_deref().unwrap_or(&self.name)
    }
}

fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn half() -> u32 {
    50
}

fn whole() -> u32 {
    100
}

fn most() -> usize {
    512
}

/// What is contradictory.
pub(super) fn check(config: &Config, environment: &Environment, problems: &mut Vec<String>) {
    if config.clouds.is_empty() {
        problems.push("clouds: add a [[clouds]] with a [[clouds.colours]]".to_owned());
    } else if config.clouds.iter().all(|cloud| cloud.weight == 0) {
        problems.push("clouds: all have weight 0".to_owned());
    }
    twice("clouds", config.clouds.iter().map(|cloud| cloud.name.as_str()), problems);
    let mut ids = BTreeSet::new();
    for cloud in &config.clouds {
        let place = format!("cloud {}", cloud.name);
        if !ids.insert(cloud.holds()) {
            problems.push(format!("{place}: another one has the ids {} already; say ids = \"…\"", cloud.holds()));
        }
        check_cloud(cloud, &place, problems);
        check_identity(cloud, &place, environment, problems);
    }
    check_rules(config, problems);
    check_keys(config, problems);
}

fn check_cloud(cloud: &CloudConfig, place: &str, problems: &mut Vec<String>) {
    if cloud.colours.is_empty() {
        problems.push(format!("{place}: has no [[clouds.colours]]"));
    } else if cloud.colours.iter().all(|colour| colour.weight == 0) {
        problems.push(format!("{place}: all colours have weight 0"));
    }
    if cloud.most == 0 {
        problems.push(format!("{place}: most is at least 1"));
    }
    if cloud.price.values().any(|price| !(0.0..=1e6).contains(price)) {
        problems.push(format!("{place}: a price is USD for a thousand images"));
    }
    twice(place, cloud.colours.iter().map(|colour| colour.name.as_str()), problems);
    for name in std::iter::once(&cloud.name).chain(cloud.colours.iter().map(|colour| &colour.name)) {
        if !plain(name) {
            problems.push(format!("{place}: {name:?} is no name: letters, digits and dashes, at most 32"));
        }
    }
    for ColourConfig { name, url, .. } in &cloud.colours {
        let bare = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !bare || !anonymous {
            problems.push(format!("{place}, colour {name}: url is http or https, a host and at most a path"));
        }
    }
}

fn check_identity(cloud: &CloudConfig, place: &str, environment: &Environment, problems: &mut Vec<String>) {
    let Some(identity) = &cloud.identity else { return };
    if let Some(Err(error)) = identity.secret(environment) {
        problems.push(format!("{place}, identity: {}", error.message()));
    }
    let local = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    for colour in cloud.colours.iter().filter(|colour| colour.url.scheme() == "http" && !local(&colour.url)) {
        problems.push(format!("{place}, colour {}: credentials would go in plain text; use https", colour.name));
    }
}

fn check_rules(config: &Config, problems: &mut Vec<String>) {
    for (place, rule) in config.rules.iter().enumerate() {
        let place = format!("rule {}", place + 1);
        if rule.path.is_none() && rule.header.is_none() && rule.feature.is_none() {
            problems.push(format!("{place}: name a path, a header or a feature"));
        }
        if rule.header.is_some() && rule.header().is_none() {
            problems.push(format!("{place}: header is \"name: value\""));
        }
        match config.clouds.iter().find(|cloud| cloud.name == rule.cloud) {
            None => problems.push(format!("{place}: there is no cloud {}", rule.cloud)),
            Some(cloud) => match &rule.colour {
                Some(colour) if !cloud.colours.iter().any(|known| known.name == *colour) => {
                    problems.push(format!("{place}: cloud {} has no colour {colour}", rule.cloud));
                }
                _ => {}
            },
        }
    }
}

fn check_keys(config: &Config, problems: &mut Vec<String>) {
    let mut limits = BTreeMap::new();
    for KeyConfig { name, sha256, per_minute } in &config.keys {
        if !plain(name) {
            problems.push(format!("key {name:?}: a name has letters, digits and dashes, at most 32"));
        }
        let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(sha256.as_bytes());
        if !hash.is_ok_and(|hash| hash.len() == 32) {
            problems.push(format!("key {name}: sha256 is 64 hexadecimal digits; `gateway key {name}` makes both"));
        }
        if *per_minute == Some(0) {
            problems.push(format!("key {name}: per_minute is at least 1"));
        }
        if *limits.entry(name).or_insert(*per_minute) != *per_minute {
            problems.push(format!("key {name}: stands twice, with different limits"));
        }
    }
}

fn twice<'a>(place: &str, names: impl Iterator<Item = &'a str>, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.push(format!("{place}: {name} stands there twice"));
        }
    }
}

fn plain(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
