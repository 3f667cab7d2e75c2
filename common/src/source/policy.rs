//! Which sources are opened. Pure: addresses come in, a verdict goes out.

use std::{collections::HashMap, fmt, net::IpAddr, str::FromStr};

use url::Host;

use super::{SourceUrl, address::Refusal, judge_all};
use crate::error::{Error, Kind, Result};

/// The ports that an image may be fetched from.
const PORTS: [u16; 2] = [80, 443];

/// A host and port that the operator opened by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: Host,
    port: u16,
}

impl FromStr for HostPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::new(Kind::InvalidRequest, "write HOST:PORT, as in localhost:8000 or [::1]:8000");
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let host = Host::parse(host).map_err(|_| invalid())?;
        let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(invalid)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What URLs are opened for: it decides the words of a refusal, never the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Purpose {
    /// A picture is taken in.
    #[default]
    Source,
    /// An event is handed out.
    Target,
}

/// Public addresses on the standard ports, and what the operator opened by name.
#[derive(Debug, Clone, Default)]
pub struct SourcePolicy {
    exceptions: Vec<HostPort>,
    purpose: Purpose,
}

impl SourcePolicy {
    /// The rule for sources of pictures, with these exceptions.
    pub fn new(exceptions: Vec<HostPort>) -> Self {
        Self { exceptions, purpose: Purpose::Source }
    }

    /// The same rule for targets of webhooks.
    pub fn for_targets(exceptions: Vec<HostPort>) -> Self {
        Self { exceptions, purpose: Purpose::Target }
    }

    /// Whether exactly this host and port were opened by name.
    pub fn is_exception(&self, url: &SourceUrl) -> bool {
        self.exceptions.iter().any(|open| open.port == url.port() && open.host == url.host())
    }

    /// Checks all that the URL itself tells: the address where it is written out, and the port.
    pub fn check_url(&self, url: &SourceUrl) -> Result<()> {
        match url.host() {
            Host::Ipv4(address) => self.check_addresses(url, &[address.into()])?,
            Host::Ipv6(address) => self.check_addresses(url, &[address.into()])?,
            Host::Domain(_) => {}
        }
        if self.is_exception(url) || PORTS.contains(&url.port()) {
            return Ok(());
        }
        let message = format!("port {} is not allowed, 80 and 443 are{}", url.port(), self.hint(url));
        Err(Error::new(Kind::SourceBlocked, message))
    }

    /// Checks the addresses of a host all together: one that is not public blocks the host.
    pub fn check_addresses(&self, url: &SourceUrl, addresses: &[IpAddr]) -> Result<()> {
        if self.is_exception(url) {
            return Ok(());
        }
        judge_all(addresses).map_err(|refusal| self.refused(url, refusal))
    }

    /// The verdict on a source without any network: `Ok` says why it would be opened. A name counts as what `names` says;
    /// one that it does not hold is `unresolved`.
    pub fn verdict(&self, text: &str, names: &HashMap<String, Vec<IpAddr>>) -> Result<&'static str> {
        let url = SourceUrl::parse(text)?;
        self.check_url(&url)?;
        if self.is_exception(&url) {
            return Ok("opened by name");
        }
        if let Host::Domain(name) = url.host() {
            let addresses = names.get(name.trim_end_matches('.')).filter(|addresses| !addresses.is_empty());
            let addresses = addresses.ok_or_else(|| Error::new(Kind::SourceBlocked, "unresolved"))?;
            self.check_addresses(&url, addresses)?;
        }
        Ok("public address")
    }

    /// The error for a host with an address that is not public; for a local one it says how a developer opens it.
    pub(super) fn refused(&self, url: &SourceUrl, refusal: Refusal) -> Error {
        let hint = if refusal.local { self.hint(url) } else { String::new() };
        Error::new(Kind::SourceBlocked, format!("the host has {refusal}{hint}"))
    }

    /// The error for a host that nothing comes from.
    pub(super) fn unavailable(&self, happened: &str) -> Error {
        match self.purpose {
            Purpose::Source => Error::new(Kind::SourceUnavailable, format!("the source {happened}")),
            Purpose::Target => Error::new(Kind::Unavailable, format!("the target {happened}")),
        }
    }

    fn hint(&self, url: &SourceUrl) -> String {
        let (flag, why) = match self.purpose {
            Purpose::Source => ("--allow-source", " for development"),
            Purpose::Target => ("--allow-target", ""),
        };
        format!("; {flag} {}:{} opens it{why}", url.host(), url.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(open: &str) -> SourcePolicy {
        SourcePolicy::new(vec![open.parse().unwrap()])
    }

    #[test]
    fn one_bad_address_blocks_the_host() {
        let names =
            HashMap::from([("x.example".to_owned(), vec!["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()])]);
        let error = SourcePolicy::default().verdict("http://x.example/", &names).unwrap_err();
        assert!(error.message().contains("--allow-source x.example:80"), "{error}");
    }

    #[test]
    fn an_exception_is_one_host_and_one_port() {
        let policy = policy("localhost:8000");
        let names = HashMap::new();
        assert!(policy.verdict("http://localhost:8000/a", &names).is_ok());
        assert!(policy.verdict("http://LOCALHOST:8000/a", &names).is_ok());
        assert!(policy.verdict("http://localhost:8001/a", &names).is_err());
        assert!(policy.verdict("http://127.0.0.1:8000/a", &names).is_err());
    }

    #[test]
    fn names_need_an_answer_and_metadata_gets_no_hint() {
        let policy = SourcePolicy::default();
        assert_eq!(policy.verdict("http://x.example/", &HashMap::new()).unwrap_err().message(), "unresolved");
        let error = policy.verdict("http://169.254.169.254/", &HashMap::new()).unwrap_err();
        assert!(!error.message().contains("allow-source"), "{error}");
        let error = policy.verdict("http://169.254.169.254:8080/", &HashMap::new()).unwrap_err();
        assert!(!error.message().contains("allow-source"), "{error}");
    }

    #[test]
    fn a_refusal_of_a_local_address_names_the_flag() {
        let error = SourcePolicy::default().verdict("http://127.0.0.1:8000/a?b", &HashMap::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::SourceBlocked);
        assert!(error.message().contains("--allow-source 127.0.0.1:8000 "), "{error}");
    }

    #[test]
    fn a_refused_target_names_its_own_flag() {
        let policy = SourcePolicy::for_targets(vec!["localhost:8000".parse().unwrap()]);
        let names = HashMap::new();
        let error = policy.verdict("http://127.0.0.1:8000/", &names).unwrap_err();
        assert!(error.message().ends_with("--allow-target 127.0.0.1:8000 opens it"), "{error}");
        let error = policy.verdict("http://example.com:8000/", &names).unwrap_err();
        assert!(error.message().contains("--allow-target example.com:8000"), "{error}");
        assert!(policy.verdict("http://localhost:8000/", &names).is_ok());
    }

    #[test]
    fn an_exception_is_a_host_and_a_port() {
        for text in
            ["localhost", "localhost:", ":80", "http://localhost:80", "a b:80", "[::1]", "x:99999", "x:0", "u@x:1"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        assert_eq!("[0:0::1]:8000".parse::<HostPort>().unwrap().to_string(), "[::1]:8000");
    }
}
