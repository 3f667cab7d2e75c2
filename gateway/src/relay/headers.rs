//! What of a message's head is for one connection only, what never leaves us, and what we say instead
//! (<https://www.rfc-editor.org/rfc/rfc9110#section-7.6>).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::fleet::Colour;

/// Of one connection.
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes away what is of one connection, and what `Connection` names.
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').filter_map(|name| name.trim().parse().ok()))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP {
        headers.remove(name);
    }
}

/// Takes away a client's credentials, and whatever could be taken for ours or for a proxy's word.
pub(super) fn strip_credentials(headers: &mut HeaderMap) {
    let secret = |name: &str| {
        matches!(
            name,
            "authorization" | "proxy-authorization" | "x-serverless-authorization" | "cookie" | "x-functions-key"
        ) || matches!(name, "forwarded" | "x-api-key" | "x-crosslens-colour" | "x-twilio-account")
            || ["x-amz-", "x-goog-", "x-forwarded-"].iter().any(|prefix| name.starts_with(prefix))
    };
    let names: Vec<HeaderName> = headers.keys().filter(|name| secret(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Who asked, and for which host.
pub(super) fn forwarded(headers: &mut HeaderMap, peer: IpAddr, host: Option<HeaderValue>, secure: bool) {
    if let Ok(value) = HeaderValue::try_from(peer.to_string()) {
        headers.insert("x-forwarded-for", value);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static(if secure { "https" } else { "http" }));
    if let Some(host) = host {
        headers.insert("x-forwarded-host", host);
    }
}

/// The same path and query at a colour.
pub(super) fn at(colour: &Colour, uri: &Uri) -> Result<Uri, http::Error> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let builder = Uri::builder().scheme(colour.scheme.clone()).authority(colour.authority.clone());
    match (colour.path.is_empty(), uri.path_and_query()) {
        (true, Some(path)) => builder.path_and_query(path.clone()).build(),
        _ => builder.path_and_query(format!("{}{path}", colour.path)).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_connection_or_secret_goes_no_further() {
        let mut headers: HeaderMap = [
            ("connection", "close, X-Secret-Hop"),
            ("x-secret-hop", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("authorization", "Bearer k"),
            ("x-amz-security-token", "t"),
            ("x-forwarded-for", "10.0.0.1"),
            ("accept", "text/plain"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
        strip_hop(&mut headers);
        strip_credentials(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
