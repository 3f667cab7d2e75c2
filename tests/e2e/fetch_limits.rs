//! The fetcher against sources that misbehave: each ends by its limit, with the right kind. The limits are short, and no
//! test says how long anything took; one that hangs is ended by `PATIENCE`.

mod bodies;
mod hops;
mod played;
mod stub;

use std::{collections::HashMap, io, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    error::{Kind, Result},
    intake::{Intake, Limits},
    ports::Fetch as _,
    request::ImageSource,
    source::{FetchLimits, Resolve, SourcePolicy, SourceUrl, WebFetcher},
};

use self::{
    played::{PAGE, smuggled},
    stub::{Play, Stub, answer},
};

/// Bytes that a source may send in these tests.
const MAX_BYTES: usize = 64 * 1024;
/// For tests in which nothing may be decided by the time.
const PATIENCE: Duration = Duration::from_secs(60);
/// For tests in which the time decides.
const SHORT: Duration = Duration::from_millis(400);
const AT_ONCE: Duration = Duration::ZERO;
const SLOWLY: Duration = Duration::from_millis(20);

/// The test's own names; there is no other resolver, so nothing else can be reached.
struct Names(HashMap<&'static str, IpAddr>);

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.get(host).map(|address| vec![*address]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A fetcher to which these sources are opened.
fn fetcher(open: &[String], total: Duration) -> WebFetcher {
    let policy = SourcePolicy::new(open.iter().map(|open| open.parse().unwrap()).collect());
    let limits = FetchLimits { max_bytes: MAX_BYTES, total, ..FetchLimits::default() };
    let loopback: IpAddr = [127, 0, 0, 1].into();
    let names = HashMap::from([("localhost", loopback), ("one.test", loopback), ("two.test", loopback)]);
    WebFetcher::new(policy, limits, Arc::new(Names(names))).unwrap()
}

async fn fetch_with(fetcher: &WebFetcher, url: &str) -> Result<Bytes> {
    let source = ImageSource::Url(SourceUrl::parse(url)?);
    tokio::time::timeout(2 * PATIENCE, fetcher.fetch(&source)).await.expect("the fetcher hangs")
}

/// Fetches `/a` of a source that is opened, without a limit of time that matters.
async fn fetch(stub: &Stub) -> Result<Bytes> {
    fetch_with(&fetcher(&[stub.host()], PATIENCE), &stub.url("/a")).await
}

/// What a source that always plays this comes to.
async fn ends(play: Play) -> Result<Bytes, Kind> {
    fetch(&Stub::always(play).await).await.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_status_says_whether_to_come_back() {
    let plays = [
        ("200 OK", None),
        ("203 Non-Authoritative Information", None),
        ("204 No Content", Some((Kind::SourceUnavailable, true))),
        ("206 Partial Content", Some((Kind::SourceUnavailable, true))),
        ("300 Multiple Choices", Some((Kind::SourceUnavailable, true))),
        ("304 Not Modified", Some((Kind::SourceUnavailable, true))),
        ("401 Unauthorized", Some((Kind::SourceUnavailable, true))),
        ("403 Forbidden", Some((Kind::SourceUnavailable, true))),
        ("404 Not Found", Some((Kind::SourceNotFound, true))),
        ("407 Proxy Authentication Required", Some((Kind::SourceUnavailable, true))),
        ("410 Gone", Some((Kind::SourceNotFound, true))),
        ("429 Too Many Requests", Some((Kind::SourceUnavailable, false))),
        ("500 Internal Server Error", Some((Kind::SourceUnavailable, false))),
        ("503 Service Unavailable", Some((Kind::SourceUnavailable, false))),
        ("999 Whatever", Some((Kind::SourceUnavailable, true))),
    ];
    for (status, expected) in plays {
        let challenge = [("www-authenticate", "Basic realm=\"x\"")];
        let stub = Stub::always(Play::Close(answer(status, &challenge, b""))).await;
        let got = fetch(&stub).await.err().map(|error| (error.kind(), error.is_permanent()));
        assert_eq!(got, expected, "{status}");
        assert_eq!(stub.heads().len(), 1, "{status}: it is not asked again");
    }
}

#[tokio::test]
async fn the_wait_that_a_source_asks_for_is_passed_on() {
    let waits = [
        ("7", Some(7)),
        (" 120 ", Some(120)),
        ("99999999999999", Some(86_400)),
        ("-1", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
    ];
    for (value, seconds) in waits {
        let stub = Stub::always(Play::Close(answer("429 Too Many Requests", &[("retry-after", value)], b""))).await;
        let error = fetch(&stub).await.unwrap_err();
        assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{value:?}");
        assert_eq!(error.kind(), Kind::SourceUnavailable);
    }
}

#[tokio::test]
async fn a_type_is_what_the_bytes_are() {
    let intake = Intake::new(Limits::default());
    let admitted = async |kind: Option<&str>, body: &[u8]| {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let bytes = fetch(&Stub::always(Play::Close(answer("200 OK", &headers, body))).await).await?;
        intake.admit(bytes).map(|image| (image.width(), image.height()))
    };
    for lie in ["image/png", "image/jpeg", "image/svg+xml", "text/html", "application/octet-stream"] {
        let error = admitted(Some(lie), PAGE.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::UnsupportedMedia, "{lie}");
        assert_eq!(admitted(Some(lie), &tests::numbered_picture(1)).await.unwrap(), (8, 8), "{lie}");
    }
    assert_eq!(admitted(None, &tests::numbered_picture(1)).await.unwrap(), (8, 8));
    // Two programs read such a header as two types; the foreign rows of this kind are played as httpbin.org would.
    let own = ["image/png, text/html", "image/png text/html", "image/png%;text/html", "image/png;text/html"];
    for kind in own.map(str::to_owned).into_iter().chain(smuggled()) {
        for body in [PAGE.as_bytes(), &tests::numbered_picture(1)] {
            let error = admitted(Some(&kind), body).await.unwrap_err();
            assert_eq!(error.kind(), Kind::UnsupportedMedia, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_opened_is_not_asked() {
    let stub = Stub::always(Play::Close(answer("200 OK", &[], b"ok"))).await;
    let (host, port) = (stub.host(), stub.port());
    let refused = [
        (vec![], stub.url("/")),
        (vec![format!("localhost:{port}")], stub.url("/")),
        (vec![format!("127.0.0.1:{}", port.wrapping_add(1).max(1))], stub.url("/")),
        (vec![host.clone()], format!("http://localhost:{port}/")),
        (vec![host.clone()], format!("http://one.test:{port}/")),
        (vec![host.clone()], format!("http://[::ffff:127.0.0.1]:{port}/")),
    ];
    for (open, url) in refused {
        let error = fetch_with(&fetcher(&open, PATIENCE), &url).await.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceBlocked, "{url} with {open:?} opened");
        assert!(error.message().contains("--allow-source"), "{url}: {error}");
    }
    assert_eq!(stub.heads().len(), 0);
    for url in [stub.url("/"), format!("http://2130706433:{port}/"), format!("http://one.test:{port}/")] {
        let open = [host.clone(), format!("one.test:{port}")];
        assert!(fetch_with(&fetcher(&open, PATIENCE), &url).await.is_ok(), "{url}");
    }
}
