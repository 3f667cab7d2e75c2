//! What AWS's refusals mean to an operator at the command line: the one match of `backfill` and `dead_letters`.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use common::error::{Error, Kind};

/// The failure of an operator's call: what was tried, and AWS's own code, because the operator is who can act on it.
pub(crate) fn refused<E, R>(tried: &str, error: SdkError<E, R>) -> Error
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let kind = match code.as_str() {
        "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId" => Kind::Unauthenticated,
        "AccessDenied" | "AccessDeniedException" | "Forbidden" => Kind::Forbidden,
        "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => Kind::NotFound,
        "ValidationException" | "InvalidAddress" | "InvalidArgument" => Kind::InvalidRequest,
        "SlowDown" | "ThrottlingException" | "RequestThrottled" | "ProvisionedThroughputExceededException" => {
            Kind::RateLimited
        }
        _ => Kind::Unavailable,
    };
    let why = match (&error, code.as_str()) {
        (SdkError::ConstructionFailure(_), _) => "the request cannot be made; are region and credentials set?",
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), _) => "AWS cannot be reached",
        (_, "") => "AWS's answer was not understood",
        (_, code) => code,
    };
    Error::new(kind, format!("{tried}: {why}")).because(error)
}
