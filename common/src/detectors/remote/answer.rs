//! What a remote detector answered, and the one place where its failures are classified.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;

use crate::{
    analysis::{Analysis, Detection},
    endpoints::retry_after,
    error::{Error, Kind, Result, Retry},
};

/// The longest answer that is read; an analysis with many faces has some tens of kilobytes.
const LONGEST: usize = 4 << 20;

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    detail: String,
}

/// The detection, or the detector's failure.
pub(super) async fn read(response: Response) -> Result<Detection> {
    let (status, wait) = (response.status(), retry_after(response.headers()));
    let body = body(response).await?;
    if status.is_success() {
        let analysis: Analysis = serde_json::from_slice(&body).map_err(|cause| {
            Error::new(Kind::DetectorFailed, "the detector's answer is not an analysis").because(cause)
        })?;
        return Ok(Detection { detector: analysis.detector, findings: analysis.findings });
    }
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    Err(classify(status.as_u16(), &problem, wait))
}

async fn body(mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(Error::new(Kind::DetectorFailed, "the detector's answer has no end"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(super) fn late() -> Error {
    Error::new(Kind::DeadlineExceeded, "the detector did not answer in time")
}

pub(super) fn not_reached(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() && !error.is_connect() {
        (Kind::DeadlineExceeded, "the detector did not answer in time")
    } else {
        (Kind::Unavailable, "the detector cannot be reached")
    };
    Error::new(kind, message).because(error.without_url())
}

fn broken(error: reqwest::Error) -> Error {
    Error::new(Kind::DetectorFailed, "the detector's answer broke off").because(error.without_url())
}

/// A remote's complaint about the image is the caller's. Any other about the call is the operator's: it comes back in a queue
/// until somebody has helped, and asking elsewhere would hide it.
fn classify(status: u16, problem: &Problem, wait: Option<Duration>) -> Error {
    let kind = Kind::from_slug(problem.r#type.rsplit(['/', ':']).next().unwrap_or_default());
    let rejected = |what: &'static str| {
        tracing::error!(http.status = status, "the detector rejects our calls: {what}");
        Error::new(Kind::Unavailable, "the detector does not take our calls").with_retry(Retry::Exhausted)
    };
    let error = match (status, kind) {
        (413 | 415 | 422, Some(kind)) => Error::new(kind, problem.detail.clone()),
        (429, _) => Error::new(Kind::RateLimited, "the detector has too much to do"),
        (401, _) => rejected("it wants to know who calls; set the credentials, and check that its audience is its URL"),
        (403, _) => rejected("who calls may not; give the caller's service account the right to invoke the detector"),
        (404, _) => rejected("there is no detector at this URL"),
        (400..=499, _) => rejected("check that the URL is a detector's and that both are of the same version"),
        (501, _) => Error::new(Kind::Unsupported, "the detector cannot do that"),
        (503, _) => Error::new(Kind::Unavailable, "the detector cannot answer now"),
        (504, _) => late(),
        _ => Error::new(Kind::DetectorFailed, "the detector answered badly"),
    };
    let error = error.because(format!("status {status}"));
    match wait {
        Some(wait) => error.after(wait),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_classified_once() {
        let check = |status, slug: &str, expected| {
            let problem = Problem { r#type: format!("https://x/{slug}"), detail: "d".into() };
            let error = classify(status, &problem, None);
            assert_eq!((error.kind(), error.retry()), expected, "{status} {slug}");
        };
        check(422, "undecodable-image", (Kind::UndecodableImage, Retry::Never));
        check(413, "too-large", (Kind::TooLarge, Retry::Never));
        check(429, "rate-limited", (Kind::RateLimited, Retry::Later));
        check(500, "", (Kind::DetectorFailed, Retry::Later));
        check(503, "unavailable", (Kind::Unavailable, Retry::Later));
        check(504, "", (Kind::DeadlineExceeded, Retry::Later));
        check(302, "", (Kind::DetectorFailed, Retry::Later));
    }

    #[test]
    fn a_rejected_call_comes_back_later_and_is_not_asked_elsewhere() {
        for (status, slug) in [(401, "unauthenticated"), (403, "forbidden"), (404, ""), (413, ""), (400, "")] {
            let problem = Problem { r#type: slug.into(), detail: String::new() };
            let error = classify(status, &problem, None);
            assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Exhausted), "{status} {slug}");
            assert!(!error.is_permanent());
        }
    }
}
