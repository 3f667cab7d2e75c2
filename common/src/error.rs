//! The one error type: what went wrong × whether trying again can help × what a stranger may read of it.
//!
//! An adapter classifies its provider's failures in exactly one `match` and returns this type. The public message never
//! holds an address, a path or a secret; the cause does, and goes to the log only.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

/// What went wrong, in the words of the problem table (`type` suffix and status are in [`Kind::slug`] and [`Kind::status`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Unknown feature, bad parameter, unparsable URL, wrong scheme, credentials in the URL.
    InvalidRequest,
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// The credentials do not allow this, or the request came from a foreign page or host name.
    Forbidden,
    /// The operator's policy denies pictures with these bytes; no detector was asked.
    Denied,
    /// The address, port or scheme is not allowed; no byte was sent there.
    SourceBlocked,
    /// The source says that the image does not exist.
    SourceNotFound,
    /// Nothing is kept under this id, or there is no such route.
    NotFound,
    /// The route exists, with other methods.
    MethodNotAllowed,
    /// Bytes or pixels over the limit, or more than the memory budget for decoding.
    TooLarge,
    /// Not an image type that is accepted, by content.
    UnsupportedMedia,
    /// It claims to be an image and is not.
    UndecodableImage,
    /// It is understood, and cannot be worked on here.
    Unprocessable,
    /// Too many requests.
    RateLimited,
    /// This front cannot do that.
    Unsupported,
    /// The image's source answered badly or not at all.
    SourceUnavailable,
    /// The detector answered badly.
    DetectorFailed,
    /// Nothing can answer now.
    Unavailable,
    /// The deadline passed.
    DeadlineExceeded,
    /// A fault of this program.
    Internal,
}

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: [Kind; 19] = [
        Kind::InvalidRequest,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::Denied,
        Kind::SourceBlocked,
        Kind::SourceNotFound,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::TooLarge,
        Kind::UnsupportedMedia,
        Kind::UndecodableImage,
        Kind::Unprocessable,
        Kind::RateLimited,
        Kind::Unsupported,
        Kind::SourceUnavailable,
        Kind::DetectorFailed,
        Kind::Unavailable,
        Kind::DeadlineExceeded,
        Kind::Internal,
    ];

    /// Suffix of the problem `type`, HTTP status, title and whether trying the same again can help: the one table.
    const fn row(self) -> (&'static str, u16, &'static str, bool) {
        match self {
            Kind::InvalidRequest => ("invalid-request", 400, "The request is not valid", false),
            Kind::Unauthenticated => ("unauthenticated", 401, "Credentials are missing or wrong", false),
            Kind::Forbidden => ("forbidden", 403, "Not allowed", false),
            Kind::Denied => ("denied", 403, "The picture is on the deny-list", false),
            Kind::SourceBlocked => ("source-blocked", 403, "The image source is not allowed", false),
            Kind::SourceNotFound => ("source-not-found", 404, "The source has no such image", false),
            Kind::NotFound => ("not-found", 404, "Nothing is here", false),
            Kind::MethodNotAllowed => ("method-not-allowed", 405, "The method is not allowed here", false),
            Kind::TooLarge => ("too-large", 413, "The image is too large", false),
            Kind::UnsupportedMedia => ("unsupported-media", 415, "Not an accepted image type", false),
            Kind::UndecodableImage => ("undecodable-image", 422, "The image cannot be decoded", false),
            Kind::Unprocessable => ("unprocessable", 422, "This cannot be worked on", false),
            Kind::RateLimited => ("rate-limited", 429, "Too many requests", true),
            Kind::Unsupported => ("unsupported", 501, "This front cannot do that", false),
            Kind::SourceUnavailable => ("source-unavailable", 502, "The image source answered badly", true),
            Kind::DetectorFailed => ("detector-failed", 502, "The detector answered badly", true),
            Kind::Unavailable => ("unavailable", 503, "Nothing can answer now", true),
            Kind::DeadlineExceeded => ("deadline-exceeded", 504, "The deadline passed", true),
            Kind::Internal => ("internal", 500, "Something is wrong here", true),
        }
    }

    /// The suffix of the problem's `type`, as in `source-blocked`.
    pub const fn slug(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that this kind is answered with.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// One line for people.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Finds a kind by its suffix; `None` for an unknown one.
    pub fn from_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    const fn retry(self) -> Retry {
        if self.row().3 { Retry::Later } else { Retry::Never }
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail the same way.
    Never,
    /// A later try may succeed.
    Later,
    /// It has been retried already: an outer layer of the same request must not try again.
    Exhausted,
}

/// The result of everything in Crosslens that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as a value. Cheap to clone, because one failure may answer several waiting requests.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    retry: Retry,
    retry_after: Option<Duration>,
    message: Cow<'static, str>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of this kind with a message that anybody may read.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, retry: kind.retry(), retry_after: None, message: message.into(), cause: None }
    }

    /// Adds what lies behind it, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Says how long to wait before a retry.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Marks whether a retry can help, where it differs from what the kind says.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// True where the same request will fail the same way however often it is tried.
    pub fn is_permanent(&self) -> bool {
        self.retry == Retry::Never
    }

    /// How long to wait before a retry, where the failing side said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What anybody may read.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole chain of causes on one line, for the log only.
    pub fn causes(&self) -> String {
        let mut line = String::new();
        let mut next: Option<&dyn StdError> = self.source();
        while let Some(cause) = next {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

impl Error {
    /// What lies at the bottom of it, for the log and for whoever owns the machine; empty where there is no cause.
    pub fn root(&self) -> String {
        let mut root = self.source();
        while let Some(below) = root.and_then(StdError::source) {
            root = Some(below);
        }
        root.map(ToString::to_string).unwrap_or_default()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// Shorthand for the faults that only this program can cause (a lost thread, a poisoned lock).
pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(Kind::Internal, "an internal fault; the log has the reason under this request id").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_once_and_found_by_their_slug() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_slug(kind.slug()), Some(kind));
        }
        assert_eq!(Kind::from_slug("nonsense"), None);
    }

    #[test]
    fn causes_stay_out_of_the_public_text() {
        let error = internal("password is hunter2");
        assert!(!error.to_string().contains("hunter2"));
        assert!(error.causes().contains("hunter2"));
    }
}
