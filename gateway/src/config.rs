//! The gateway's configuration: one TOML file, of which everything that is wrong is named at once. The only place that reads the
//! environment.

mod clouds;
mod limits;
mod sections;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use common::{
    error::{Error, Kind, Result},
    settings::Environment,
};

pub(crate) use clouds::{CloudConfig, IdentityConfig, KeyConfig, Rule};
pub(crate) use limits::{Connecting, Ejection, Front, Looking, Retries, Tls};
use sections::Sections;

/// What the operator decides.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) front: Front,
    pub(crate) tls: Option<Tls>,
    pub(crate) health: Looking,
    pub(crate) ejection: Ejection,
    pub(crate) retries: Retries,
    pub(crate) connect: Connecting,
    pub(crate) clouds: Vec<CloudConfig>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) keys: Vec<KeyConfig>,
}

/// Where the configuration is, and what the command line says over it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) file: PathBuf,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) allow_unauthenticated: bool,
    pub(crate) environment: Environment,
}

/// The process's environment; variables that are not text are left out.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Origin {
    /// The file that is named, else the environment's, else `gateway.toml`.
    pub(crate) fn new(file: Option<&Path>, environment: Environment) -> Self {
        let named = file.map(Path::to_owned).or_else(|| environment.get("CROSSLENS_GATEWAY").map(PathBuf::from));
        let file = named.unwrap_or_else(|| PathBuf::from("gateway.toml"));
        Self { file, listen: None, admin: None, allow_unauthenticated: false, environment }
    }

    /// Reads the file.
    pub(crate) fn load(&self) -> Result<Config> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| invalid(format!("{}: {error}", self.file.display())))?;
        Config::parse(&text, self)
    }
}

impl Config {
    /// # Errors
    /// `invalid-request` with a line for each problem.
    pub(crate) fn parse(text: &str, origin: &Origin) -> Result<Self> {
        let table = text.parse().map_err(|error| invalid(format!("{}: {error}", origin.file.display())))?;
        let mut sections = Sections::new(table);
        let clouds = sections.rows("clouds");
        let mut config = Self {
            tls: sections.optional("tls"),
            health: sections.one("health"),
            ejection: sections.one("ejection"),
            retries: sections.one("retries"),
            connect: sections.one("connect"),
            rules: sections.rows("rules"),
            keys: sections.rows("keys"),
            clouds,
            front: Front::default(),
        };
        let mut problems = Vec::new();
        config.front = sections.rest(&mut problems);
        config.overlay(origin, &mut problems);
        clouds::check(&config, &origin.environment, &mut problems);
        limits::check(&config, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(invalid(problems.join("\n"))) }
    }

    /// Flags come first; `PORT` is Cloud Run's way to name the port.
    fn overlay(&mut self, origin: &Origin, problems: &mut Vec<String>) {
        let port = origin.environment.get("PORT").and_then(|port| match port.parse::<u16>() {
            Ok(port) => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            Err(error) => {
                problems.push(format!("PORT: {error}"));
                None
            }
        });
        self.front.listen = origin.listen.or(port).unwrap_or(self.front.listen);
        self.front.admin = origin.admin.or(self.front.admin);
        self.front.allow_unauthenticated |= origin.allow_unauthenticated;
    }
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, &Origin::new(None, Environment::new()))
    }

    const TWO: &str = r#"
[[clouds]]
name = "aws"
[[clouds.colours]]
name = "blue"
url = "http://127.0.0.1:1"
[[clouds]]
name = "gcp"
[[clouds.colours]]
name = "blue"
url = "http://127.0.0.1:2"
"#;

    #[test]
    fn two_urls_are_enough() {
        let config = parse(TWO).unwrap();
        assert_eq!((config.clouds.len(), config.clouds[0].weight, config.clouds[0].colours[0].weight), (2, 50, 100));
        assert_eq!(config.clouds[1].holds(), "gcp");
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let text = format!(
            "listen = \"0.0.0.0:80\"\nadmin = \"0.0.0.0:1\"\nspeed = 3\n{TWO}[health]\ninterval = -1\n[ejection]\nshare = 2.0\n\
             [[rules]]\ncloud = \"azure\"\n[[keys]]\nname = \"a\"\nsha256 = \"12\"\n[[clouds]]\nname = \"aws\"\nweight = 1\n"
        );
        let error = parse(&text).unwrap_err();
        for part in ["admin", "speed", "interval", "share", "azure", "sha256", "colours", "twice"] {
            assert!(error.message().contains(part), "{part} in\n{}", error.message());
        }
    }

    #[test]
    fn strangers_are_kept_out_unless_the_operator_says_so() {
        let open = format!("listen = \"0.0.0.0:80\"\n{TWO}");
        assert!(parse(&open).unwrap_err().message().contains("allow_unauthenticated"));
        assert!(parse(&format!("allow_unauthenticated = true\n{open}")).is_ok());
    }
}
