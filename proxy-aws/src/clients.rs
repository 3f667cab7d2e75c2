//! The clients of AWS's services, built once in a process.

use std::time::Duration;

use aws_config::{Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_json::protocol::aws_json_rpc::AwsJsonRpcProtocol;

/// One connection pool under one client a service.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Clients {
    pub s3: aws_sdk_s3::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub rekognition: aws_sdk_rekognition::Client,
    pub translate: aws_sdk_translate::Client,
}

impl Clients {
    /// Region, credentials and endpoints as the standard variables say (`AWS_REGION`, `AWS_ENDPOINT_URL`, …).
    pub async fn from_environment() -> Self {
        Self::new(&loader().load().await)
    }

    /// A server that speaks AWS's protocols at this URL, with these credentials; for tests.
    pub async fn at(endpoint: &str, region: &str, key: &str, secret: &str) -> Self {
        let credentials = aws_sdk_s3::config::Credentials::new(key, secret, None, None, "given");
        let region = Region::new(region.to_owned());
        Self::new(&loader().endpoint_url(endpoint).region(region).credentials_provider(credentials).load().await)
    }

    fn new(config: &SdkConfig) -> Self {
        // Where somebody above asks again, the SDK must not multiply that: a queue brings a failed fetch back, the sweep a
        // failed publish, the failover asks the next detector, and a phrase that was not translated is asked for again with the
        // next image that has it. Nobody repeats a lost record or a lost delay.
        let once = RetryConfig::disabled();
        // A record that is given up costs the provider's answer: a throttled table is waited for within the invocation, with
        // short pauses at first, as DynamoDB's own clients in other languages do.
        let patient = RetryConfig::standard().with_max_attempts(8).with_initial_backoff(Duration::from_millis(50));
        // Path style only where the endpoint is given: servers on one machine have no names for buckets.
        let path_style = config.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(config).retry_config(once.clone()).force_path_style(path_style);
        let sns = aws_sdk_sns::config::Builder::from(config).retry_config(once.clone());
        let rekognition = aws_sdk_rekognition::config::Builder::from(config).retry_config(once.clone());
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(config).retry_config(patient);
        // The protocol that Amazon's reference of the service describes; the SDK's own choice is a binary form of it.
        let json = AwsJsonRpcProtocol::aws_json_1_1();
        let translate = aws_sdk_translate::config::Builder::from(config).retry_config(once).protocol(json);
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            sqs: aws_sdk_sqs::Client::new(config),
            rekognition: aws_sdk_rekognition::Client::from_conf(rekognition.build()),
            translate: aws_sdk_translate::Client::from_conf(translate.build()),
        }
    }
}

fn loader() -> aws_config::ConfigLoader {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).timeout_config(timeouts)
}
