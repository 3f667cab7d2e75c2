//! What runs within the namespace: everything that is opened, by whichever address, arrives at the witness.

mod answers;

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Kind, Result},
    intake::{Intake, Limits},
    ports::Fetch as _,
    request::ImageSource,
    source::{FetchLimits, Resolve, SourcePolicy, SourceUrl, WebFetcher},
};
use url::{Host, Url};

use super::witness::{Answers, Witness, is_alone, opened};
use crate::ssrf::{
    played::played,
    rows::{PUBLIC, Row, names, rows},
};

/// A resolver that answers as the test says.
struct Names<F>(F);

#[async_trait]
impl<F: Fn(&str) -> Vec<IpAddr> + Send + Sync> Resolve for Names<F> {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = self.0(host.trim_end_matches('.'));
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }
}

fn fetcher(policy: SourcePolicy, names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> WebFetcher {
    WebFetcher::new(policy, FetchLimits::default(), Arc::new(Names(names))).unwrap()
}

async fn fetch(fetcher: &WebFetcher, uri: &str) -> Result<Bytes> {
    fetcher.fetch(&ImageSource::Url(SourceUrl::parse(uri)?)).await
}

/// The witness on these ports, or `None` outside of a namespace.
async fn witness(ports: &[u16], answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Option<Witness> {
    if !is_alone() {
        eprintln!("skipped: this only runs in a network namespace, which `in_a_namespace_of_its_own` makes");
        return None;
    }
    let answers: Answers = Arc::new(answers);
    Some(Witness::start(&ports.iter().copied().chain([80, 443, 3128]).collect(), answers).await)
}

/// A small answer, after which the connection is closed or kept.
fn picture(kept: bool) -> String {
    let then = if kept { "keep-alive" } else { "close" };
    format!("HTTP/1.1 200 OK\r\nconnection: {then}\r\ncontent-length: 2\r\n\r\nok")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Where a row that is allowed leads.
fn destination(row: &Row) -> SocketAddr {
    let ip = match Url::parse(&row.uri).unwrap().host().unwrap() {
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.to_canonical(),
        Host::Domain(_) => PUBLIC,
    };
    SocketAddr::new(ip, row.port().unwrap())
}

fn ports(rows: &[Row]) -> Vec<u16> {
    rows.iter().filter_map(Row::port).filter(|port| *port != 0).collect::<BTreeSet<_>>().into_iter().collect()
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn a_blocked_row_connects_nowhere_and_an_allowed_one_does() {
    let Some(rows) = rows() else { return };
    let Some(witness) = witness(&ports(&rows), |path| played(path).unwrap_or_else(|| picture(false))).await else {
        return;
    };
    let (names, intake) = (names(&rows), Intake::new(Limits::default()));
    let fetcher = fetcher(SourcePolicy::default(), move |name| names.get(name).cloned().unwrap_or_default());
    for row in &rows {
        let before = opened();
        let got = fetch(&fetcher, &row.uri).await;
        let (seen, tried) = (witness.forget(), opened() - before);
        if !row.opens() {
            assert!(got.is_err() && seen.is_empty() && tried == 0, "{row:?}: {got:?}, {tried} connections: {seen:?}");
            continue;
        }
        assert_eq!(seen.first(), Some(&destination(row)), "{row:?}: {got:?}");
        assert_eq!(tried, seen.len() as u64, "{row:?}: {seen:?}");
        // A redirect only ever leads to what would be allowed itself.
        assert!(seen.iter().all(|seen| seen.ip() == destination(row).ip()), "{row:?}: {seen:?}");
        match got {
            Ok(bytes) => assert!(row.delivers() || intake.admit(bytes).is_err(), "{row:?}"),
            // The witness has no certificate.
            Err(error) => assert!(!row.delivers() || row.uri.starts_with("https:"), "{row:?}: {error}"),
        }
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn a_redirect_to_a_blocked_row_is_not_followed() {
    let Some(rows) = rows() else { return };
    let target: Arc<Mutex<String>> = Arc::default();
    let location = target.clone();
    let Some(witness) = witness(&ports(&rows), move |_| moved(&location.lock().unwrap())).await else { return };
    let names = names(&rows);
    let fetcher = fetcher(SourcePolicy::default(), move |name| names.get(name).cloned().unwrap_or(vec![PUBLIC]));
    // No header can hold a line's end.
    for row in rows.iter().filter(|row| !row.uri.contains(['\r', '\n'])) {
        row.uri.clone_into(&mut target.lock().unwrap());
        let before = opened();
        let got = fetch(&fetcher, "http://start.example/a").await;
        let (seen, tried) = (witness.forget(), opened() - before);
        assert!(got.is_err(), "{row:?}: this redirects for ever");
        assert_eq!(tried, seen.len() as u64, "{row:?}: {got:?}");
        if row.opens() {
            assert_eq!(seen.get(1), Some(&destination(row)), "{row:?}: {got:?}");
        } else {
            // Some rows are no absolute URL: as a redirect they lead to another path of the same host.
            assert!((1..=4).contains(&seen.len()), "{row:?}: {seen:?}");
            assert!(seen.iter().all(|seen| *seen == SocketAddr::new(PUBLIC, 80)), "{row:?}: {got:?}, {seen:?}");
        }
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn the_third_hop_is_checked_as_the_first() {
    let ends = [
        "http://127.0.0.1/",
        "http://private.example/",
        "https://private.example/",
        "http://[::ffff:10.0.0.1]/",
        "http://2852039166/",
        "http://public.example:3128/",
        "http://u:p@public.example/",
        "ftp://public.example/",
        "file:///etc/passwd",
        "data:image/gif;base64,R0lGOD",
    ];
    for end in ends {
        let answers = move |path: &str| match path {
            "/1" => moved("http://two.example/2"),
            "/2" => moved("//three.example/3"),
            "/3" => moved(end),
            _ => picture(false),
        };
        let Some(witness) = witness(&[], answers).await else { return };
        let names = |name: &str| vec![if name == "private.example" { address("10.0.0.1") } else { PUBLIC }];
        let before = opened();
        let error = fetch(&fetcher(SourcePolicy::default(), names), "http://one.example/1").await.unwrap_err();
        assert_eq!((error.kind(), opened() - before), (Kind::SourceBlocked, 3), "{end}: {error}");
        assert_eq!(witness.forget(), [SocketAddr::new(PUBLIC, 80); 3], "{end}");
        witness.stop().await;
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn a_connection_that_is_kept_is_no_way_around() {
    let Some(witness) = witness(&[], |path| picture(path != "/last")).await else { return };
    let now = Arc::new(Mutex::new(PUBLIC));
    let (names, open) = (now.clone(), vec!["127.0.0.1:80".parse().unwrap(), "dev.example:80".parse().unwrap()]);
    let fetcher = fetcher(SourcePolicy::new(open), move |_| vec![*names.lock().unwrap()]);
    assert!(fetch(&fetcher, "http://x.example/a").await.is_ok());
    *now.lock().unwrap() = address("127.0.0.1");
    // The first connection is a checked one and may be used again; a new one may not be made.
    assert!(fetch(&fetcher, "http://x.example/last").await.is_ok());
    assert_eq!(witness.forget(), [SocketAddr::new(PUBLIC, 80)]);
    let refused = |uri: &'static str| {
        let fetcher = &fetcher;
        async move {
            let before = opened();
            let got = fetch(fetcher, uri).await;
            assert!(matches!(&got, Err(error) if error.kind() == Kind::SourceBlocked), "{uri}: {got:?}");
            assert_eq!(opened() - before, 0, "{uri}");
        }
    };
    refused("http://x.example/a").await;
    // Connections to what the operator opened serve no other name.
    for uri in ["http://127.0.0.1/a", "http://dev.example/a"] {
        assert!(fetch(&fetcher, uri).await.is_ok(), "{uri}");
    }
    assert_eq!(witness.forget(), [SocketAddr::new(address("127.0.0.1"), 80); 2]);
    let others = [
        "http://x.example/a",
        "http://localhost/a",
        "http://dev.example:443/a",
        "https://127.0.0.1/a",
        "http://[::1]/a",
    ];
    for uri in others {
        refused(uri).await;
    }
}
