//! What DynamoDB says when it refuses, as the one error type with a word on what to do.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use common::error::{Error, Kind, internal};

/// What a condition that did not hold is called, outside and inside of a transaction.
pub(super) const CONDITION: [&str; 2] = ["ConditionalCheckFailedException", "ConditionalCheckFailed"];
/// What two writers of one row at the same time are called.
pub(super) const CONFLICT: [&str; 3] =
    ["TransactionConflict", "TransactionConflictException", "TransactionInProgressException"];

/// A call that failed.
pub(super) fn call_error<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let unanswered = !matches!(error, SdkError::ServiceError(_));
    let code = error.code().map(ToOwned::to_owned);
    match code {
        Some(code) => classified(&code, error),
        None if unanswered => Error::new(Kind::Unavailable, "the ledger does not answer; try again").because(error),
        None => internal(error),
    }
}

/// A failure by the code that DynamoDB gives it, alone or among a transaction's reasons
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
pub(super) fn classified(code: &str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let unavailable = |message| Error::new(Kind::Unavailable, message);
    let error = match code {
        code if CONDITION.contains(&code) => lost(),
        code if CONFLICT.contains(&code) => unavailable("others write the same rows of the ledger; try again"),
        "ProvisionedThroughputExceededException"
        | "ProvisionedThroughputExceeded"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "ThrottlingError"
        | "Throttling" => unavailable("the ledger has more to do than it may; try again"),
        // Not permanent: what is given up for good is taken off the queue, and nothing is wrong with the image.
        "ResourceNotFoundException" => unavailable(
            "the ledger's table or one of its indexes is not there; deploy the stack again or correct CROSSLENS_TABLE",
        ),
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => {
            unavailable("the ledger's table may not be used with these credentials; check the function's role")
        }
        "InternalServerError" | "InternalServerErrorException" | "ServiceUnavailable" => {
            unavailable("the ledger has a fault of its own; try again")
        }
        "ItemCollectionSizeLimitExceeded" => too_large(),
        _ => return internal(cause),
    };
    error.because(cause)
}

/// The claim is no longer the current one.
pub(super) fn lost() -> Error {
    Error::new(Kind::Unavailable, "the claim was lost to another worker")
}

/// An outcome does not fit into a row even when it is compressed.
pub(super) fn too_large() -> Error {
    Error::new(Kind::TooLarge, "what was found in the image is more than the ledger can keep; ask for fewer features")
}
