//! The HTTP API of `crosslens up`, from outside: DESIGN §5 route by route.

mod intake;
mod kept;
mod later;
mod limits;
mod observed;
mod problems;
mod uploads;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tests::{Server, photo};

/// A JSON answer with this status.
async fn json(response: Response, status: u16) -> Value {
    let (got, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sends and expects an analysis.
async fn analysis(request: RequestBuilder) -> Value {
    json(request.send().await.unwrap(), 200).await
}

/// Sends and expects this problem, in the form of RFC 9457.
async fn problem(request: RequestBuilder, slug: &str, status: u16) -> Value {
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (media, id) = (header("content-type"), header("x-request-id"));
    let wait = header("retry-after");
    let problem = json(response, status).await;
    assert_eq!(media.as_deref(), Some("application/problem+json"), "{problem}");
    assert!(problem["type"].as_str().unwrap().ends_with(&format!("/{slug}")), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["requestId"].as_str(), id.as_deref(), "{problem}");
    assert!(
        !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty(),
        "{problem}"
    );
    assert_eq!(problem["retryable"].as_bool(), Some(matches!(status, 429 | 500 | 502 | 503 | 504)), "{problem}");
    assert!(wait.is_some() || !matches!(status, 429 | 503), "{problem} without Retry-After");
    problem
}

fn coffee() -> Vec<u8> {
    std::fs::read(photo("coffee.png")).unwrap()
}

/// The best label.
fn best(analysis: &Value) -> &str {
    analysis["labels"][0]["description"].as_str().unwrap_or_else(|| panic!("no label: {analysis}"))
}

/// `POST /v1/images` of these bytes.
fn post(server: &Server, bytes: impl Into<reqwest::Body>) -> RequestBuilder {
    tests::client().post(server.at("/v1/images")).header("content-type", "application/octet-stream").body(bytes)
}

/// The same with a query.
fn post_with(server: &Server, bytes: impl Into<reqwest::Body>, query: &[(&str, &str)]) -> RequestBuilder {
    let url = with(server, "/v1/images", query);
    tests::client().post(url).header("content-type", "application/octet-stream").body(bytes)
}

/// `GET` of a path with a query.
fn get_with(server: &Server, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
    tests::client().get(with(server, path, query))
}

/// `GET /detect` of this picture.
fn detect(server: &Server, uri: &str) -> RequestBuilder {
    get_with(server, "/detect", &[("imageUri", uri)])
}

fn with(server: &Server, path: &str, query: &[(&str, &str)]) -> url::Url {
    url::Url::parse_with_params(&server.at(path), query).unwrap()
}

fn get(server: &Server, path: &str) -> RequestBuilder {
    tests::client().get(server.at(path))
}
