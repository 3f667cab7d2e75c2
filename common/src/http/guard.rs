//! Keeps web pages from reaching into a laptop: on a loopback listener the `Host` must be a loopback name (which stops DNS
//! rebinding), and a request that a browser makes for another origin's page is refused.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, Uri, header, uri::Authority};

use super::caller::SIGNED;
use crate::error::{Error, Kind};

/// Which listeners are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A loopback listener without authentication.
    Loopback,
    /// A listener that callers authenticate to, or that is open on purpose.
    Off,
}

pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard {
        // What is signed comes through a tunnel under the tunnel's name, and no page can forge it.
        Guard::Loopback if SIGNED.contains(&request.uri().path()) => next.run(request).await,
        Guard::Loopback if !same_origin(request.method(), request.uri(), request.headers()) => {
            Error::new(Kind::Forbidden, "this listener serves this machine only: foreign host name or page")
                .into_response()
        }
        _ => next.run(request).await,
    }
}

fn same_origin(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // HTTP/2 carries the authority in the URI, HTTP/1.1 in the header.
    let authority = match (uri.authority(), text(header::HOST)) {
        (Some(authority), None) => authority.clone(),
        (None, Some(host)) => match host.parse::<Authority>() {
            Ok(authority) => authority,
            Err(_) => return false,
        },
        (Some(authority), Some(host)) if authority.as_str() == host => authority.clone(),
        _ => return false,
    };
    if !matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]") {
        return false;
    }
    if text(header::ORIGIN).is_some_and(|origin| origin != format!("http://{authority}")) {
        return false;
    }
    // Pictures and forms of a foreign page send no origin; browsers say in this header that the page is foreign.
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let opened_by_link = method == Method::GET && uri.path() == "/";
    matches!(site, None | Some("same-origin" | "none")) || opened_by_link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_hosts_and_pages_are_refused() {
        let check = |path: &str, headers: &[(&'static str, &str)], allowed: bool| {
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(same_origin(&Method::GET, &path.parse().unwrap(), &map), allowed, "{path} {headers:?}");
        };
        check("/detect", &[("host", "127.0.0.1:8080")], true);
        check("/detect", &[("host", "localhost")], true);
        check("/detect", &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")], true);
        check("/detect", &[("host", "evil.example")], false);
        check("/detect", &[("host", "localhost.evil.example:8080")], false);
        check("/detect", &[], false);
        check("/detect", &[("host", "localhost:1"), ("origin", "http://localhost:2")], false);
        check("/detect", &[("host", "localhost:1"), ("origin", "null")], false);
        check("/detect", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], false);
        check("/detect", &[("host", "localhost"), ("sec-fetch-site", "same-site")], false);
        check("/detect", &[("host", "localhost"), ("sec-fetch-site", "same-origin")], true);
        check("/", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], true);
    }
}
