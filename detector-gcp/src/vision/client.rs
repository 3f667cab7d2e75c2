//! The call itself, with Google's own client, and the one place where its failures are classified.

use std::time::Duration;

use common::{
    endpoints::retry_after,
    error::{Error, Kind, Result, Retry},
};
use google_cloud_auth::credentials::{Builder, anonymous};
use google_cloud_gax::{
    error::{Error as CallError, rpc::Code},
    options::RequestOptionsBuilder,
    retry_policy::NeverRetry,
};
use google_cloud_vision_v1::{
    client::ImageAnnotator,
    model::{AnnotateImageRequest, AnnotateImageResponse, BatchAnnotateImagesResponse},
};
use metrics::counter;
use tokio::time::{Instant, error::Elapsed, timeout};

use super::{Credentials, VisionSettings, allowance::Quota, retries::Retries};

/// Vision behind its quota and its retries.
pub(super) struct Client {
    annotator: ImageAnnotator,
    quota: Quota,
    retries: Retries,
}

/// A failed call, and whether asking at once again may help.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) again: bool,
    /// Whether it says something about Vision's health.
    pub(super) ill: bool,
}

impl Client {
    pub(super) async fn new(settings: &VisionSettings) -> Result<Self> {
        common::http::use_ring();
        let mut builder = ImageAnnotator::builder().with_credentials(credentials(settings.credentials)?);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        let annotator = builder.build().await.map_err(common::error::internal)?;
        Ok(Self { annotator, quota: Quota::new(settings.images_per_minute), retries: Retries::default() })
    }

    /// Lets an image in, before it waits for its turn: what cannot be sent in this minute is refused at once.
    pub(super) fn admit(&self) -> Result<()> {
        self.quota.take(1)
    }

    /// One answer for each request, in their order. A failure is a failure of all of them.
    pub(super) async fn annotate(
        &self,
        requests: Vec<AnnotateImageRequest>,
        deadline: Instant,
    ) -> Result<Vec<AnnotateImageResponse>> {
        self.retries.run(deadline, |number, left| self.attempt(number, requests.clone(), left)).await
    }

    /// Whether our calls are taken, by one that is about no image. A complaint about that is as good as an answer.
    pub(super) async fn reachable(&self, left: Duration) -> Result<()> {
        match self.send(Vec::new(), left).await {
            Ok(Err(error)) if error.http_status_code() == Some(400) => Ok(()),
            Ok(Err(error)) => Err(classify(error).error),
            Ok(Ok(_)) => Ok(()),
            Err(_) => Err(late().error),
        }
    }

    async fn attempt(
        &self,
        number: u32,
        requests: Vec<AnnotateImageRequest>,
        left: Duration,
    ) -> Result<Vec<AnnotateImageResponse>, Failure> {
        // The first try was paid for by `admit`.
        if number > 0 {
            self.quota.take(requests.len()).map_err(|error| Failure { error, again: false, ill: false })?;
            counter!("crosslens_provider_retries_total", "provider" => "google-vision").increment(1);
        }
        self.call(requests, left).await
    }

    async fn call(
        &self,
        requests: Vec<AnnotateImageRequest>,
        left: Duration,
    ) -> Result<Vec<AnnotateImageResponse>, Failure> {
        let images = requests.len();
        let answered = match self.send(requests, left).await {
            Err(_) => Err(late()),
            Ok(Ok(answer)) if answer.responses.len() == images => Ok(answer.responses),
            Ok(Ok(answer)) => {
                let said = format!("{} answers about {images} images", answer.responses.len());
                let error = Error::new(Kind::DetectorFailed, "Vision did not answer about every image").because(said);
                Err(Failure { error, again: false, ill: true })
            }
            Ok(Err(error)) => Err(classify(error)),
        };
        let outcome = answered.as_ref().map_or_else(|failure| failure.error.kind().slug(), |_| "answered");
        counter!("crosslens_provider_calls_total", "provider" => "google-vision", "outcome" => outcome).increment(1);
        answered
    }

    async fn send(
        &self,
        requests: Vec<AnnotateImageRequest>,
        left: Duration,
    ) -> Result<Result<BatchAnnotateImagesResponse, CallError>, Elapsed> {
        let call = self.annotator.batch_annotate_images().set_requests(requests);
        // Retries are `Retries`', which knows the deadline, the budget and what Google says about waiting.
        let call = call.with_retry_policy(NeverRetry).with_attempt_timeout(left).send();
        // The attempt's own limit does not hold while an access token is fetched.
        timeout(left, call).await
    }
}

fn late() -> Failure {
    let error = Error::new(Kind::DeadlineExceeded, "Vision did not answer in time");
    Failure { error, again: false, ill: true }
}

fn credentials(whose: Credentials) -> Result<google_cloud_auth::credentials::Credentials> {
    match whose {
        Credentials::Anonymous => Ok(anonymous::Builder::new().build()),
        Credentials::Default => Builder::default().build().map_err(|cause| {
            let message = "no Google credentials are to be found; run `gcloud auth application-default login`, or set \
                           GOOGLE_APPLICATION_CREDENTIALS to a credentials file";
            Error::new(Kind::Unavailable, message).with_retry(Retry::Never).because(cause)
        }),
    }
}

/// Google's status where there is one, else what happened on the way.
fn classify(error: CallError) -> Failure {
    let wait = error.http_headers().and_then(retry_after);
    let status = error.http_status_code().unwrap_or(0);
    let code = error.status().map(|status| status.code);
    let (kind, message, again, ill) = match (status, code) {
        (429, _) | (_, Some(Code::ResourceExhausted)) => (Kind::RateLimited, "Vision's quota is used up", true, false),
        (500, _) => (Kind::DetectorFailed, "Vision failed", true, true),
        (503, _) | (_, Some(Code::Unavailable)) => (Kind::Unavailable, "Vision cannot answer now", true, true),
        (504, _) | (_, Some(Code::DeadlineExceeded)) => {
            (Kind::DeadlineExceeded, "Vision did not answer in time", false, true)
        }
        (401 | 403, _) => (Kind::DetectorFailed, "Vision does not take our credentials", false, false),
        (1.., _) => (Kind::DetectorFailed, "Vision refused the call", false, status >= 500),
        _ if error.is_timeout() => return late(),
        _ if error.is_authentication() => {
            (Kind::DetectorFailed, "there is no access token for Vision to be had", false, false)
        }
        _ if error.is_deserialization() => (Kind::DetectorFailed, "Vision's answer cannot be read", false, true),
        _ if error.is_connect() || error.is_io() || error.is_transport() => {
            (Kind::Unavailable, "the connection to Vision failed", true, true)
        }
        _ => (Kind::DetectorFailed, "the call to Vision failed", false, false),
    };
    let error = Error::new(kind, message).because(error);
    Failure { error: wait.map_or(error.clone(), |wait| error.after(wait)), again, ill }
}
