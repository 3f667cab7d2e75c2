//! Another Crosslens detector, over HTTP: `POST /v1/detect` with the image, reduced, as the body.

mod answer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, header};
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    analysis::{Detection, DetectorId, Features, MAX_LABELS},
    error::{Error, Kind, Result, internal},
    image::Image,
    intake::{Intake, Sent},
    ports::{Detect, Identity},
};

/// Header in which a request's deadline travels, in milliseconds from now.
pub const DEADLINE_HEADER: &str = "x-crosslens-deadline-ms";

/// The second header for the same token: Cloud Run takes it as well, and of the one that it checks it passes on no more than
/// the part without the signature (<https://cloud.google.com/run/docs/authenticating/service-to-service>). With both, the
/// detector can still check for itself who calls.
const SERVERLESS_AUTHORIZATION: &str = "x-serverless-authorization";

/// A detector service at a configured address.
pub struct Remote {
    client: Client,
    detect: Url,
    intake: Intake,
    identity: Option<Arc<dyn Identity>>,
}

impl Remote {
    /// A detector at this base URL, whom `identity` tells who we are; without one nothing is said. The address is the operator's
    /// own choice, so it may be a private one.
    ///
    /// # Errors
    /// `invalid-request` for a URL that nothing can be asked at.
    pub fn new(base: &Url, intake: Intake, identity: Option<Arc<dyn Identity>>) -> Result<Self> {
        let detect = base
            .join("/v1/detect")
            .map_err(|cause| Error::new(Kind::InvalidRequest, "the detector's url is not valid").because(cause))?;
        Ok(Self { client: client()?, detect, intake, identity })
    }

    async fn ask(&self, image: &Image, features: &Features, deadline: Instant) -> Result<Detection> {
        let (width, height) = features.enough_pixels();
        let sent = self.intake.reduced(image, width, height).await?;
        let token = self.bearer().await?;
        let request = self.request(sent, features, token.as_ref(), deadline);
        let detection = answer::read(self.send(request).await?).await?;
        match detection.findings.silent_about(features) {
            None => Ok(detection),
            Some(feature) => {
                let said = format!("nothing is said about {}", feature.name());
                Err(Error::new(Kind::DetectorFailed, "the detector left out what it was asked").because(said))
            }
        }
    }

    async fn bearer(&self) -> Result<Option<HeaderValue>> {
        let Some(identity) = &self.identity else { return Ok(None) };
        let token = identity.token().await?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(internal)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn request(
        &self,
        sent: Sent,
        features: &Features,
        bearer: Option<&HeaderValue>,
        deadline: Instant,
    ) -> RequestBuilder {
        let mut url = self.detect.clone();
        url.set_query(Some(&format!("features={features}&maxLabels={MAX_LABELS}")));
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, sent.media_type.name())
            .header(DEADLINE_HEADER, left.as_millis().to_string())
            .body(sent.bytes);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, bearer).header(SERVERLESS_AUTHORIZATION, bearer);
        }
        request
    }

    /// Once more where the connection ends before anything is answered: after a while without traffic the first request is
    /// often what shows that the other end has gone. A detector remembers its answers, so nothing is paid twice.
    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let again = request.try_clone();
        match (request.send().await, again) {
            (Err(error), Some(again)) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                again.send().await.map_err(answer::not_reached)
            }
            (answer, _) => answer.map_err(answer::not_reached),
        }
    }
}

#[async_trait]
impl Detect for Remote {
    /// Not known before it answers; analyses are kept under the name that it gives.
    fn id(&self) -> Option<DetectorId> {
        None
    }

    async fn detect(&self, image: &Image, features: &Features, time_left: Duration) -> Result<Detection> {
        let deadline = Instant::now() + time_left;
        timeout_at(deadline, self.ask(image, features, deadline)).await.map_err(|_| answer::late())?
    }
}

/// HTTP/2 where TLS agrees on it, one connection for all requests. A function that is frozen between two requests wakes up
/// with connections that the other end gave up long ago and could not say so: the kernel must notice that nothing is
/// acknowledged, and HTTP/2 that a ping has no answer, well before a request's time is over.
fn client() -> Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(crate::tls::for_client()?)
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_keepalive(Duration::from_secs(15))
        .tcp_user_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(3))
        .http2_keep_alive_timeout(Duration::from_secs(2))
        .build()
        .map_err(internal)
}
