//! Asking a detector over HTTP, and the next one where it does not answer: the real detector with the embedded model, killed
//! and alive, and a stand-in for its bad days.

use std::{
    io::Cursor,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{
    analysis::{Detection, Features},
    detectors::{Failover, Remote},
    endpoints::Patience,
    error::{Error, Kind, Result},
    image::Image,
    intake::{Intake, Limits},
    ports::{Detect, Identity, suites},
};
use image::{ImageFormat, ImageReader, imageops::FilterType};
use secrecy::SecretString;
use tests::{Detector, DetectorStandIn, photo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

/// Only keeps a broken test from hanging.
const LONG: Duration = Duration::from_secs(60);

fn intake() -> Intake {
    Intake::new(Limits::default())
}

fn remote(url: &str) -> Arc<dyn Detect> {
    Arc::new(Remote::new(&Url::parse(url).unwrap(), intake(), None).unwrap())
}

fn failover(urls: &[&str]) -> Failover {
    let named = urls.iter().map(|url| ((*url).to_owned(), remote(url)));
    Failover::new(named, Patience::default(), false).unwrap()
}

fn coffee() -> Image {
    intake().admit(std::fs::read(photo("coffee.png")).unwrap().into()).unwrap()
}

async fn ask(detect: &dyn Detect) -> Result<Detection> {
    detect.detect(&coffee(), &Features::default(), LONG).await
}

fn first_label(detection: Result<Detection>) -> String {
    detection.unwrap().findings.labels.unwrap()[0].description.to_lowercase()
}

struct Token(&'static str);

#[async_trait]
impl Identity for Token {
    async fn token(&self) -> Result<SecretString> {
        match self.0 {
            "" => Err(Error::new(Kind::Unavailable, "no token")),
            token => Ok(token.into()),
        }
    }
}

#[tokio::test]
async fn a_detector_elsewhere_behaves_as_every_detector_does_alone_and_among_others() {
    let detector = Detector::local().start();
    suites::detect(&*remote(detector.url()), &coffee()).await;
    let gone = DetectorStandIn::start().await;
    gone.always(503, "");
    suites::detect(&failover(&[&gone.url(), detector.url()]), &coffee()).await;
    assert!(!gone.received().is_empty());
}

#[tokio::test]
async fn a_killed_detector_is_followed_by_the_next() {
    let stand_in = DetectorStandIn::start().await;
    let mut detector = Detector::local().start();
    let failover = failover(&[detector.url(), &stand_in.url()]);
    assert_eq!(first_label(ask(&failover).await), "espresso");
    assert!(stand_in.received().is_empty(), "the first one answers");
    detector.sigterm();
    assert_eq!(first_label(ask(&failover).await), "stand-in");
}

#[tokio::test]
async fn a_bad_answer_is_followed_by_the_next_and_a_complaint_is_not() {
    let (first, second) = (DetectorStandIn::start().await, DetectorStandIn::start().await);
    let mut silent = DetectorStandIn::analysis();
    silent.as_object_mut().unwrap().remove("labels");
    let problem = |slug: &str| format!("{{\"type\":\"https://crosslens.dev/problems/{slug}\",\"detail\":\"played\"}}");
    let check = async |status, body: String, expected: Result<(), Kind>| {
        first.always(status, body.clone());
        let before = second.received().len();
        let answer = ask(&failover(&[&first.url(), &second.url()])).await;
        assert_eq!(answer.map(|_| ()).map_err(|error| error.kind()), expected, "{status} {body}");
        assert_eq!(second.received().len() - before, usize::from(expected.is_ok()), "{status} {body}");
    };
    for status in [500, 502, 503, 504, 501] {
        check(status, String::new(), Ok(())).await;
    }
    check(200, "<html>".to_owned(), Ok(())).await;
    check(200, silent.to_string(), Ok(())).await;
    check(302, String::new(), Ok(())).await;
    check(422, problem("undecodable-image"), Err(Kind::UndecodableImage)).await;
    check(429, problem("rate-limited"), Err(Kind::RateLimited)).await;
    for status in [400, 401, 403, 404] {
        check(status, String::new(), Err(Kind::Unavailable)).await;
    }
}

#[tokio::test]
async fn who_does_not_answer_is_given_up_in_time_for_the_next() {
    let (first, second) = (DetectorStandIn::start().await, DetectorStandIn::start().await);
    first.hold();
    let both = failover(&[&first.url(), &second.url()]);
    // Long enough for a loaded machine; that half of it was enough is what the answer says.
    let answer = both.detect(&coffee(), &Features::default(), Duration::from_secs(10)).await;
    assert_eq!(first_label(answer), "stand-in");
    let told = |stand_in: &DetectorStandIn| {
        let value = stand_in.received()[0].headers["x-crosslens-deadline-ms"].to_str().unwrap().to_owned();
        value.parse::<u64>().unwrap()
    };
    assert!(told(&first) <= 5000 && told(&second) <= 5000, "the time that is left travels along");
    first.release();
}

#[tokio::test]
async fn when_all_fail_the_caller_is_told_when_to_come_back() {
    let (first, second) = (DetectorStandIn::start().await, DetectorStandIn::start().await);
    first.always(503, "");
    second.always(500, "");
    let both = failover(&[&first.url(), &second.url()]);
    for _ in 0..6 {
        let error = ask(&both).await.unwrap_err();
        assert_eq!((error.kind(), error.is_permanent()), (Kind::Unavailable, false));
        assert!(error.retry_after().is_some());
    }
    assert_eq!((first.received().len(), second.received().len()), (5, 5), "then both are left alone");
}

#[tokio::test]
async fn the_token_is_shown_in_both_headers_and_without_one_nothing_is_asked() {
    let stand_in = DetectorStandIn::start().await;
    let url = Url::parse(&stand_in.url()).unwrap();
    let remote = |token| Remote::new(&url, intake(), Some(Arc::new(Token(token)))).unwrap();
    ask(&remote("a.b.c")).await.unwrap();
    let headers = &stand_in.received()[0].headers;
    assert_eq!(headers["authorization"], "Bearer a.b.c");
    assert_eq!(headers["x-serverless-authorization"], "Bearer a.b.c");
    assert_eq!(ask(&remote("")).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(stand_in.received().len(), 1);
}

#[tokio::test]
async fn a_photograph_of_three_megabytes_crosses_in_a_hundred_kilobytes() {
    let stand_in = DetectorStandIn::start().await;
    for name in ["astronaut.png", "coffee.png"] {
        let large = image::open(photo(name)).unwrap().resize(4800, 4800, FilterType::CatmullRom).to_rgb8();
        let mut bytes = Cursor::new(Vec::new());
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(&large).unwrap();
        let bytes = bytes.into_inner();
        assert!(bytes.len() > 3_000_000, "{name}: {}", bytes.len());
        let image = intake().admit(bytes.into()).unwrap();
        remote(&stand_in.url()).detect(&image, &Features::default(), LONG).await.unwrap();
        let received = stand_in.received().pop().unwrap();
        assert!(received.body.len() <= 100_000, "{name}: {}", received.body.len());
        assert_eq!(received.headers["content-type"], "image/jpeg");
        let sent = ImageReader::with_format(Cursor::new(&received.body), ImageFormat::Jpeg).into_dimensions().unwrap();
        assert!(sent.0 == 640 || sent.1 == 480, "{name}: {sent:?}");
        assert_eq!(received.uri.to_string(), "/v1/detect?features=labels&maxLabels=100");
    }
}

/// Answers the first request of the first connection, and closes that one when the second request has arrived on it.
async fn forgetful() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                if request(&mut stream).await {
                    let body = DetectorStandIn::analysis().to_string();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all((head + &body).as_bytes()).await.unwrap();
                    request(&mut stream).await;
                }
            });
        }
    });
    (url, connections)
}

/// Reads one request with its body; `false` where there is none.
async fn request(stream: &mut tokio::net::TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return false;
        }
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if read.len() >= end + 4 + length {
            return true;
        }
    }
}

#[tokio::test]
async fn a_pooled_connection_that_has_died_is_replaced_once() {
    let (url, connections) = forgetful().await;
    let remote = remote(&url);
    assert_eq!(first_label(ask(&*remote).await), "stand-in");
    assert_eq!(first_label(ask(&*remote).await), "stand-in", "nothing was answered on the first connection");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
