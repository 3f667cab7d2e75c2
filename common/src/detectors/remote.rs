//! Another Crosslens detector, over HTTP: `POST /v1/detect` with the image as the body.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use crate::{
    analysis::{Analysis, Detection, DetectorId, Features, MAX_LABELS},
    endpoints::retry_after,
    error::{Error, Kind, Result, internal},
    image::Image,
    ports::Detect,
};

/// Header in which a request's deadline travels, in milliseconds from now.
pub const DEADLINE_HEADER: &str = "x-crosslens-deadline-ms";

/// A detector service at a configured address.
pub struct Remote {
    client: reqwest::Client,
    detect: Url,
}

impl Remote {
    /// A detector at this base URL. The address is the operator's own choice, so it may be a private one.
    pub fn new(base: &Url) -> Result<Self> {
        let detect = base
            .join("/v1/detect")
            .map_err(|cause| Error::new(Kind::InvalidRequest, "the detector's url is not valid").because(cause))?;
        crate::http::use_ring();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(internal)?;
        Ok(Self { client, detect })
    }
}

#[async_trait]
impl Detect for Remote {
    /// Not known before it answers; analyses are kept under the name that it gives.
    fn id(&self) -> Option<DetectorId> {
        None
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let mut url = self.detect.clone();
        let query = format!("features={features}&maxLabels={MAX_LABELS}");
        url.set_query(Some(&query));
        let response = self
            .client
            .post(url)
            .header(http::header::CONTENT_TYPE, image.media_type().name())
            .header(DEADLINE_HEADER, time_left.as_millis().to_string())
            .timeout(time_left)
            .body(image.bytes().clone())
            .send()
            .await
            .map_err(not_reached)?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        if status.is_success() {
            let analysis: Analysis = response.json().await.map_err(|cause| {
                Error::new(Kind::DetectorFailed, "the detector's answer is not an analysis").because(cause)
            })?;
            return Ok(Detection { detector: analysis.detector, findings: analysis.findings });
        }
        let problem: Problem = response.json().await.unwrap_or_default();
        Err(classify(status.as_u16(), &problem, wait))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    detail: String,
}

fn not_reached(error: reqwest::Error) -> Error {
    if error.is_timeout() {
        Error::new(Kind::DeadlineExceeded, "the detector did not answer in time").because(error.without_url())
    } else {
        Error::new(Kind::Unavailable, "the detector cannot be reached").because(error.without_url())
    }
}

/// A remote's complaint about the image is the caller's; one about us is our own fault towards the caller.
fn classify(status: u16, problem: &Problem, wait: Option<Duration>) -> Error {
    let kind = Kind::from_slug(problem.r#type.rsplit(['/', ':']).next().unwrap_or_default());
    let error = match (status, kind) {
        (413 | 415 | 422, Some(kind)) => Error::new(kind, problem.detail.clone()),
        (429, _) => Error::new(Kind::RateLimited, "the detector has too much to do"),
        (503, _) => Error::new(Kind::Unavailable, "the detector cannot answer now"),
        (504, _) => Error::new(Kind::DeadlineExceeded, "the detector did not answer in time"),
        _ => Error::new(Kind::DetectorFailed, "the detector answered badly").because(format!("status {status}")),
    };
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
            assert_eq!(classify(status, &problem, None).kind(), expected, "{status} {slug}");
        };
        check(422, "undecodable-image", Kind::UndecodableImage);
        check(403, "forbidden", Kind::DetectorFailed);
        check(429, "rate-limited", Kind::RateLimited);
        check(500, "", Kind::DetectorFailed);
        check(503, "unavailable", Kind::Unavailable);
    }
}
