//! The answers of httpbin.org that some foreign rows are about, by its documented paths.

use url::Url;

/// A body that no decoder of pictures takes.
pub(crate) const PAGE: &str = "<!doctype html><script>alert(1)</script>";

/// The whole answer to a request for this path; `None` for a path that httpbin.org does not play.
pub(crate) fn played(path: &str) -> Option<String> {
    let url = Url::parse(&format!("http://httpbin.org{path}")).ok()?;
    let value = |name: &str| url.query_pairs().find_map(|(key, value)| (key == name).then_some(value));
    let length = PAGE.len();
    match url.path() {
        "/redirect-to" => {
            let (status, to) = (value("status_code")?, value("url")?);
            Some(format!("HTTP/1.1 {status} Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
        }
        "/response-headers" => {
            let kind = value("Content-Type")?;
            Some(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{PAGE}"
            ))
        }
        _ => None,
    }
}
