//! The foreign URLs, what each must be answered, and what the host names in them stand for. For the tests of the rule
//! (`ssrf`) and of the sockets (`ssrf_witness`); nothing here uses the code under test.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tests::cases_dir;
use url::{Host, Url};

/// The public address that every name stands for that does not stand for another one. Only ever reached in a namespace.
pub(crate) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

/// One foreign URL.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) uri: String,
    /// What its source says of it.
    allowed: bool,
    /// Why we decide otherwise.
    pub(crate) waiver: Option<&'static str>,
}

/// `allowed` rows that the stricter rule refuses, by what they are about. Where two sources disagree about one address, or
/// about two spellings of one address, the stricter one is followed.
const STRICTER: [(&str, u32, &str); 9] = [
    ("::", 96, "IPv4-compatible (deprecated by RFC 4291): refused whatever IPv4 address it hides"),
    ("64:ff9b::", 96, "NAT64: the same address is `blocked` in hexadecimal, so refused whatever it hides"),
    ("64:ff9b:1::", 48, "NAT64 for local use (RFC 8215): refused whatever it hides"),
    ("::ffff:0:0:0", 96, "IPv4-translated (RFC 2765): not global unicast"),
    ("2001::", 23, "protocol assignments, Teredo among them: no web server is there, and others block the whole of it"),
    ("2002::", 16, "6to4: others block it whatever IPv4 address it hides"),
    ("192.0.0.0", 24, "protocol assignments: anycast for infrastructure; others block the whole of it"),
    ("2620:4f:8000::", 48, "anycast for infrastructure (RFC 7534)"),
    ("192.88.99.0", 24, "relays of 6to4, deprecated by RFC 7526"),
];
const NOT_GLOBAL: &str = "outside of 2000::/3: not handed out as global unicast";
const OTHER_PORT: &str = "neither 80 nor 443";
/// Rows of go-camo about what httpbin.org answers: the URL itself is fine. `fetch_limits` and `ssrf_witness` play the answer.
const FIRST_HOP: &str = "the verdict is about the answer, not about this URL";

impl Row {
    fn new(uri: &str, verdict: &str) -> Self {
        let allowed = match verdict {
            "allowed" => true,
            "blocked" => false,
            other => panic!("{uri}: what is {other}?"),
        };
        Self { uri: uri.to_owned(), allowed, waiver: waiver(uri, allowed) }
    }

    /// Whether a connection is opened for it.
    pub(crate) fn opens(&self) -> bool {
        self.allowed != self.waiver.is_some()
    }

    /// Whether a picture comes back, once redirects are followed and the answer is looked at.
    pub(crate) fn delivers(&self) -> bool {
        self.allowed && self.waiver.is_none()
    }

    /// The port, where it can be read at all.
    pub(crate) fn port(&self) -> Option<u16> {
        Url::parse(&self.uri).ok()?.port_or_known_default()
    }

    /// The host name, where it has one that could be looked up.
    pub(crate) fn name(&self) -> Option<String> {
        let url = Url::parse(&self.uri).ok()?;
        let Host::Domain(name) = url.host()? else { return None };
        let name = name.strip_suffix('.').unwrap_or(name);
        name.split('.').all(|label| !label.is_empty()).then(|| name.to_owned())
    }
}

/// Every row, `None` where the foreign inputs are not there.
pub(crate) fn rows() -> Option<Vec<Row>> {
    let cases = cases_dir()?;
    let table = std::fs::read_to_string(cases.join("ssrf_urls.tsv")).unwrap();
    let mut rows: Vec<Row> = table
        .lines()
        .map(|line| {
            let mut fields = line.split('\t');
            Row::new(fields.next().unwrap(), fields.next().unwrap_or_default())
        })
        .collect();
    let controls = std::fs::read(cases.join("ssrf_control_characters.json")).unwrap();
    let controls: Vec<BTreeMap<String, String>> = serde_json::from_slice(&controls).unwrap();
    rows.extend(controls.iter().map(|row| Row::new(&row["url"], &row["verdict"])));
    Some(rows)
}

/// What every name in the rows stands for.
pub(crate) fn names(rows: &[Row]) -> BTreeMap<String, Vec<IpAddr>> {
    let mut names: BTreeMap<_, _> =
        rows.iter().filter_map(Row::name).map(|name| (name.clone(), vec![stands_for(&name)])).collect();
    // The targets of the redirects that are played.
    names.extend(["www.google.com", "lvh.me"].map(|name| (name.to_owned(), vec![stands_for(name)])));
    names
}

/// The address that the public DNS gives, or gave, for names that exist to point somewhere private.
fn stands_for(name: &str) -> IpAddr {
    const LOOPBACK: [&str; 10] = [
        "localhost",
        "localhost.localdomain",
        "ip6-localhost",
        "localtest.me",
        "lvh.me",
        "vcap.me",
        "lacolhost.com",
        "localh.st",
        "rebind.network",
        "spoofed.burpcollaborator.net",
    ];
    const METADATA: [&str; 5] =
        ["metadata", "metadata.google.internal", "metadata.nicob.net", "metadata.tencentyun.com", "instance-data"];
    let within = |domain: &&str| name == *domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if LOOPBACK.iter().any(within) {
        return Ipv4Addr::LOCALHOST.into();
    }
    if METADATA.iter().any(within) {
        return Ipv4Addr::new(169, 254, 169, 254).into();
    }
    // `anything.127.0.0.1.nip.io` is 127.0.0.1.
    let echo = ["nip.io", "xip.io", "sslip.io"].iter().find_map(|domain| name.strip_suffix(domain)?.strip_suffix('.'));
    match echo {
        Some(rest) => {
            let numbers: Vec<&str> = rest.rsplit(['.', '-']).take(4).collect();
            let address = numbers.into_iter().rev().collect::<Vec<_>>().join(".");
            address.parse().unwrap_or_else(|_| panic!("{name}: what does it stand for?"))
        }
        None => PUBLIC,
    }
}

fn waiver(uri: &str, allowed: bool) -> Option<&'static str> {
    let url = Url::parse(uri).ok()?;
    if url.host_str() == Some("httpbin.org") {
        return (!allowed).then_some(FIRST_HOP);
    }
    if !allowed {
        return None;
    }
    let address: IpAddr = match url.host()? {
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.to_canonical(),
        Host::Domain(_) => PUBLIC,
    };
    let stricter = STRICTER.into_iter().find(|(base, prefix, _)| within(address, base.parse().unwrap(), *prefix));
    let outside = |address| {
        matches!(address, IpAddr::V6(_)) && !within(address, Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0).into(), 3)
    };
    match stricter {
        Some((_, _, reason)) => Some(reason),
        None if outside(address) => Some(NOT_GLOBAL),
        None if !matches!(url.port_or_known_default(), Some(80 | 443)) => Some(OTHER_PORT),
        None => None,
    }
}

fn within(address: IpAddr, base: IpAddr, prefix: u32) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => (address.to_bits() ^ base.to_bits()).leading_zeros() >= prefix,
        (IpAddr::V6(address), IpAddr::V6(base)) => (address.to_bits() ^ base.to_bits()).leading_zeros() >= prefix,
        _ => false,
    }
}
