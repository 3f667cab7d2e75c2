//! Requests signed for AWS by the default credentials: variables, a profile, a web identity, a container's or a machine's role
//! (<https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>).

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use common::error::{Error, Kind, Result, internal};
use http::{HeaderValue, header, request::Parts};
use tokio::{sync::OnceCell, time::timeout};

use super::Identify;

/// How long credentials may take that are not at hand.
const PATIENCE: Duration = Duration::from_secs(5);
/// A function's URL takes no body whose hash is not signed.
const HASH: &str = "x-amz-content-sha256";

/// Signatures for one service in one region.
pub(super) struct AwsSignature {
    service: String,
    region: String,
    credentials: OnceCell<SharedCredentialsProvider>,
}

impl AwsSignature {
    pub(super) fn new(service: String, region: String) -> Self {
        Self { service, region, credentials: OnceCell::new() }
    }

    /// The provider keeps what it has found until shortly before its end.
    async fn provider(&self) -> Result<&SharedCredentialsProvider> {
        self.credentials
            .get_or_try_init(async || {
                let tls = Provider::Rustls(CryptoMode::Ring);
                let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
                let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
                config.credentials_provider().ok_or_else(none)
            })
            .await
    }
}

fn none() -> Error {
    Error::new(Kind::Unavailable, "there are no AWS credentials for this cloud")
}

#[async_trait]
impl Identify for AwsSignature {
    fn needs_body(&self) -> bool {
        true
    }

    async fn sign(&self, request: &mut Parts, body: &[u8]) -> Result<()> {
        let asked = async { self.provider().await?.provide_credentials().await.map_err(|cause| none().because(cause)) };
        let identity = timeout(PATIENCE, asked).await.map_err(|_| none())??.into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(internal)?
            .into();
        // Only what stays as it is on the way: the host, and what the body is.
        let host = request.uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let signed = std::iter::once(("host", &*host)).chain(media.map(|media| ("content-type", media)));
        let uri = request.uri.to_string();
        let signable =
            SignableRequest::new(request.method.as_str(), &uri, signed, SignableBody::Bytes(body)).map_err(internal)?;
        let (instructions, _) = sign(signable, &params).map_err(internal)?.into_parts();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value).map_err(internal)?;
            value.set_sensitive(name != HASH);
            let name: http::HeaderName = name.parse().map_err(internal)?;
            request.headers.insert(name, value);
        }
        Ok(())
    }
}
