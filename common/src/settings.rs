//! One setting from three layers: a flag, a variable, the settings file; and what was wrong in any of them, all at once.
//!
//! Reading the environment is left to each deployable's `config.rs`.

use std::{
    collections::BTreeMap,
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::SecretString;

use crate::{
    error::{Error, Kind, Result},
    intake::Limits,
    source::HostPort,
};

/// The environment, as a value, so that tests need not touch the real one.
pub type Environment = BTreeMap<String, String>;

/// The environment and the settings file, and what was wrong so far. Flags come with each question.
#[derive(Debug)]
pub struct Layers<'a> {
    /// Variables with names of their own, as `PORT`.
    pub environment: &'a Environment,
    file: toml::Table,
    problems: Vec<String>,
}

impl<'a> Layers<'a> {
    /// Reads the settings file: the one named, else `CROSSLENS_CONFIG`, else `crosslens.toml` where it exists.
    pub fn new(config: Option<&Path>, environment: &'a Environment) -> Result<Self> {
        let named = config.map(Path::to_owned).or_else(|| environment.get("CROSSLENS_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from("crosslens.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => text.parse().map_err(|error| invalid(format!("{}: {error}", path.display())))?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => toml::Table::new(),
            Err(error) => return Err(invalid(format!("{}: {error}", path.display()))),
        };
        Ok(Self { environment, file, problems: Vec::new() })
    }

    /// A single value, from the first layer that has it.
    pub fn one<T, E: Display>(
        &mut self,
        name: &str,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let flags = flag.map(|text| vec![text.to_owned()]).unwrap_or_default();
        self.many(name, &flags, parse).pop()
    }

    /// Several values: a repeated flag, a comma-separated variable, an array in the file.
    pub fn many<T, E: Display>(
        &mut self,
        name: &str,
        flags: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let variable = format!("CROSSLENS_{}", name.to_uppercase());
        let file = self.file.remove(name);
        let (origin, texts) = if !flags.is_empty() {
            (format!("--{}", name.replace('_', "-")), flags.to_vec())
        } else if let Some(value) = self.environment.get(&variable) {
            (variable, value.split(',').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
        } else {
            let items = match file {
                None => Vec::new(),
                Some(toml::Value::Array(items)) => items,
                Some(item) => vec![item],
            };
            (format!("{name} in crosslens.toml"), items.iter().map(plain).collect())
        };
        texts.iter().filter_map(|text| self.parsed(&origin, text, &parse)).collect()
    }

    /// A text of any origin.
    pub fn parsed<T, E: Display>(
        &mut self,
        origin: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text).map_err(|error| self.problems.push(format!("{origin}: {error}"))).ok()
    }

    /// Adds what a reader found wrong by itself.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Names that another command understands.
    pub fn known(&mut self, names: &[&str]) {
        for name in names {
            self.file.remove(*name);
        }
    }

    /// The settings, or `invalid-request` with everything that is wrong.
    pub fn settle<T>(mut self, settings: T) -> Result<T> {
        self.problems
            .extend(self.file.keys().map(|name| format!("{name} in crosslens.toml: there is no such setting")));
        if self.problems.is_empty() { Ok(settings) } else { Err(invalid(self.problems.join("\n"))) }
    }
}

/// Settings that several programs have.
impl Layers<'_> {
    /// What images are accepted.
    pub fn limits(&mut self) -> Limits {
        let defaults = Limits::default();
        Limits {
            max_bytes: self.one("max_bytes", None, number).unwrap_or(defaults.max_bytes),
            max_pixels: self.one("max_pixels", None, number).unwrap_or(defaults.max_pixels),
            memory_budget: self.one("memory_budget", None, number).unwrap_or(defaults.memory_budget),
        }
    }

    /// The keys that callers may send.
    pub fn api_keys(&mut self) -> Vec<SecretString> {
        self.many("api_keys", &[], |key| match key.len() {
            16.. => Ok(SecretString::from(key)),
            _ => Err("a key has at least 16 characters"),
        })
    }

    /// The exceptions of the address rule.
    pub fn allow_source(&mut self, flags: &[String]) -> Vec<HostPort> {
        self.many("allow_source", flags, |text| text.parse::<HostPort>().map_err(|error| error.message().to_owned()))
    }

    /// Where to listen: what is said, else on `host` where `PORT` names the port, else on loopback.
    pub fn listen(&mut self, flag: Option<&str>, host: Ipv4Addr) -> SocketAddr {
        let port = self.environment.get("PORT").map(|port| format!("{host}:{port}"));
        let listen = self.one("listen", flag, str::parse::<SocketAddr>);
        let listen = listen.or_else(|| self.parsed("PORT", &port?, str::parse::<SocketAddr>));
        listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))
    }
}

/// A folder of the user's by the XDG base directory rules: below the one that `variable` names, else `below` the home.
pub fn user_folder(environment: &Environment, variable: &str, below: &str) -> PathBuf {
    let own = environment.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = environment.get("HOME").map(|home| Path::new(home).join(below));
    own.or(home).unwrap_or_else(|| PathBuf::from(".")).join("crosslens")
}

/// Where `crosslens model pull` keeps the embedded model.
pub fn cache_folder(environment: &Environment) -> PathBuf {
    user_folder(environment, "XDG_CACHE_HOME", ".cache")
}

/// A whole number from 1, for [`Layers::one`].
pub fn number<N: FromStr<Err: Display> + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    match text.parse::<N>() {
        Ok(number) if number >= N::from(1) => Ok(number),
        Ok(_) => Err("must be at least 1".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}
