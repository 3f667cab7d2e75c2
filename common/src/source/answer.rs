//! What a source's answer says before its body: an image, a redirect, or why there is none. Pure.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

use crate::error::{Error, Kind, Result, Retry};

/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// An answer that is not a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The body is the image.
    Body(Coding),
    /// The image is elsewhere, by the `Location` as it came.
    Redirect(String),
}

/// How the body is packed (RFC 9110, 8.4.1). It is asked for unpacked; some servers pack it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Answer {
    /// Sorts the answer: there, elsewhere, gone for good, or perhaps later.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Result<Self> {
        let answered = || Error::new(Kind::SourceUnavailable, format!("the source answered {}", status.as_u16()));
        match status.as_u16() {
            200 | 203 => {
                one_media_type(headers)?;
                coding(headers).map(Answer::Body)
            }
            301 | 302 | 303 | 307 | 308 => {
                let location = headers.get(header::LOCATION).and_then(|value| str::from_utf8(value.as_bytes()).ok());
                let lost = || never("the source redirects without saying where to");
                location.map(|location| Answer::Redirect(location.to_owned())).ok_or_else(lost)
            }
            404 | 410 => Err(Error::new(Kind::SourceNotFound, "the source has no such image")),
            408 | 425 | 429 | 500..=599 => Err(match retry_after(headers, Timestamp::now()) {
                Some(wait) => answered().after(wait),
                None => answered(),
            }),
            _ => Err(answered().with_retry(Retry::Never)),
        }
    }
}

fn never(message: &'static str) -> Error {
    Error::new(Kind::SourceUnavailable, message).with_retry(Retry::Never)
}

/// Refuses a `Content-Type` that two programs may read as two types, as in `image/png, text/html`. Which type it names does
/// not matter: that is decided by content.
fn one_media_type(headers: &HeaderMap) -> Result<()> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let one = match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value.to_str().is_ok_and(is_media_type),
        (Some(_), Some(_)) => false,
    };
    let message = "the source's content type is not one media type";
    if one { Ok(()) } else { Err(Error::new(Kind::UnsupportedMedia, message)) }
}

/// RFC 9110, 8.3.1; an empty value or parameter is let pass, because many servers send them.
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_quoted = |text: &str| {
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inner.is_some_and(|inner| !inner.contains(['"', '\\']))
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let named = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    let parameters = parts.filter(|part| !part.is_empty()).all(|part| {
        part.split_once('=').is_some_and(|(name, value)| is_token(name) && (is_token(value) || is_quoted(value)))
    });
    (named || essence.is_empty()) && parameters
}

fn coding(headers: &HeaderMap) -> Result<Coding> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let text = match (codings.next(), codings.next()) {
        (None, _) => "",
        (Some(value), None) => value.to_str().unwrap_or("?"),
        (Some(_), Some(_)) => "?",
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Coding::Identity),
        "gzip" | "x-gzip" => Ok(Coding::Gzip),
        "deflate" => Ok(Coding::Deflate),
        _ => Err(never("the source answers in a content encoding that was not asked for")),
    }
}

/// `Retry-After`, in seconds or as a date, at most a day.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::from_secs(u64::try_from(date.as_second().saturating_sub(now.as_second())).unwrap_or(0))
        }
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Result<Answer> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut all, (name, value): (http::HeaderName, http::HeaderValue)| {
                all.append(name, value);
                all
            },
        );
        Answer::of(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn statuses_are_sorted_once() {
        let check = |status, kind, permanent| {
            let error = answer(status, &[]).unwrap_err();
            assert_eq!((error.kind(), error.is_permanent()), (kind, permanent), "{status}");
        };
        for status in [404, 410] {
            check(status, Kind::SourceNotFound, true);
        }
        for status in [201, 204, 206, 300, 304, 305, 400, 401, 403, 418, 451] {
            check(status, Kind::SourceUnavailable, true);
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            check(status, Kind::SourceUnavailable, false);
        }
        assert_eq!(answer(200, &[]).unwrap(), Answer::Body(Coding::Identity));
    }

    #[test]
    fn a_wait_comes_in_seconds_or_as_a_date() {
        let wait = |value: &str| answer(503, &[("retry-after", value)]).unwrap_err().retry_after();
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("99999999999"), Some(MAX_WAIT));
        assert_eq!(wait("soon"), None);
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap())]);
        let wait = |now: &str| retry_after(&headers, now.parse().unwrap());
        assert_eq!(wait("2015-10-21T07:27:00Z"), Some(Duration::from_secs(60)));
        assert_eq!(wait("2015-10-21T07:29:00Z"), Some(Duration::ZERO));
    }

    #[test]
    fn a_content_type_is_one_media_type() {
        let fine = [
            "",
            "image/png",
            "image/jpeg;",
            "text/html; charset=utf-8",
            "application/octet-stream",
            "image/png; a=\"b c\"",
        ];
        for value in fine {
            assert!(answer(200, &[("content-type", value)]).is_ok(), "{value}");
        }
        let smuggled = [
            "image/png, text/html",
            "image/png, text/html; charset=UTF-8",
            "image/png text/html",
            "image/png%;text/html",
            "image/png;text/html;charset=UTF-8",
            "image/png; a=\"b\"c\"",
            "image",
            "image/png/x",
            "image/",
            "\"image/png\"",
        ];
        for value in smuggled {
            let kind = answer(200, &[("content-type", value)]).map_err(|error| error.kind());
            assert_eq!(kind, Err(Kind::UnsupportedMedia), "{value}");
        }
        assert!(answer(200, &[("content-type", "image/png"), ("content-type", "text/html")]).is_err());
    }

    #[test]
    fn only_codings_that_are_unpacked_within_bounds() {
        let coded = |value: &str| answer(200, &[("content-encoding", value)]);
        assert_eq!(coded("GZIP").unwrap(), Answer::Body(Coding::Gzip));
        for value in ["br", "zstd", "gzip, gzip", "compress", "gzip;q=1"] {
            assert!(coded(value).unwrap_err().is_permanent(), "{value}");
        }
    }

    #[test]
    fn a_redirect_says_where_to() {
        assert_eq!(answer(302, &[("location", "/a")]).unwrap(), Answer::Redirect("/a".to_owned()));
        assert!(answer(302, &[]).unwrap_err().is_permanent());
    }
}
