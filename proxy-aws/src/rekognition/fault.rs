//! The one place where Rekognition's failures are classified.

use std::error::Error as StdError;

use aws_sdk_rekognition::error::{ProvideErrorMetadata, SdkError};
use common::error::{Error, Kind, Retry};

/// A call's failure. A call that Rekognition rejects comes back in a queue until the operator has helped, and asking elsewhere
/// would hide it.
pub(super) fn fault<E, R>(error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let rejected = "Rekognition does not take our calls";
    let (kind, message, retry) = match (&error, code) {
        (
            _,
            Some(
                "ThrottlingException"
                | "ProvisionedThroughputExceededException"
                | "LimitExceededException"
                | "ServiceQuotaExceededException"
                | "TooManyRequestsException",
            ),
        ) => (Kind::RateLimited, "Rekognition has too much to do", None),
        (_, Some("InvalidImageFormatException")) => {
            (Kind::UndecodableImage, "Rekognition cannot decode the image", None)
        }
        (_, Some("ImageTooLargeException")) => (Kind::TooLarge, "the image is too large for Rekognition", None),
        (_, Some("ResourceNotFoundException")) => (Kind::NotFound, "there is no such collection", None),
        (_, Some("ServiceUnavailable" | "ServiceUnavailableException")) => {
            (Kind::Unavailable, "Rekognition cannot answer now", None)
        }
        (
            _,
            Some(
                "AccessDeniedException"
                | "AccessDenied"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "MissingAuthenticationTokenException"
                | "OptInRequired"
                | "InvalidParameterException",
            ),
        ) => (Kind::Unavailable, rejected, Some(Retry::Exhausted)),
        (SdkError::ServiceError(_), _) => (Kind::DetectorFailed, "Rekognition failed", None),
        (SdkError::TimeoutError(_), _) => (Kind::DeadlineExceeded, "Rekognition did not answer in time", None),
        (SdkError::DispatchFailure(_), _) => (Kind::Unavailable, "Rekognition cannot be reached", None),
        (SdkError::ResponseError(_), _) => (Kind::DetectorFailed, "Rekognition's answer cannot be read", None),
        _ => (Kind::Unavailable, "the call to Rekognition could not be made", None),
    };
    if retry == Some(Retry::Exhausted) {
        tracing::error!(
            aws.code = code.unwrap_or_default(),
            "Rekognition rejects our calls; check that the function's role has the actions rekognition:Detect* and \
             rekognition:RecognizeCelebrities, and those on collections for faces, in a region that has Rekognition"
        );
    }
    let error = Error::new(kind, message).because(said(&error));
    match retry {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

/// The code and message, or the chain of causes; never the raw answer, which may hold what the picture shows.
fn said<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(theirs) = error.as_service_error() {
        return format!("{}: {}", theirs.code().unwrap_or("no code"), theirs.message().unwrap_or("no message"));
    }
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said = format!("{said}: {cause}");
        next = cause.source();
    }
    said
}
