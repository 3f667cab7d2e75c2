//! Amazon Translate as what translates phrases.
//!
//! TranslateText takes one text of at most 10,000 bytes
//! (<https://docs.aws.amazon.com/translate/latest/dg/what-is-limits.html>), so phrases travel as the lines of one.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_translate::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::translate_text::TranslateTextError,
};
use common::{
    error::{Error, Kind, Result, Retry},
    translation::Language,
};
use futures_util::{StreamExt, stream};
use metrics::counter;
use processors::translation::Translate;
use tracing::{error, warn};

/// Bytes in a text.
const MOST_BYTES: usize = 10_000;
/// Calls at a time where phrases are asked one by one.
const AT_A_TIME: usize = 4;

/// Translates with Amazon Translate.
pub struct AmazonTranslate {
    client: Client,
}

/// A phrase, and the line that it is sent as.
type Line<'a> = (&'a str, String);

impl AmazonTranslate {
    /// By this client, which must not repeat calls by itself.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for these lines with one call, and one by one where the answer has another number of lines.
    async fn lines(&self, language: &Language, lines: &[Line<'_>]) -> Vec<Result<(String, String)>> {
        let text: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let answer = match self.text(language, &text.join("\n")).await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(error)],
        };
        if let [(phrase, _)] = lines {
            return vec![Ok(((*phrase).to_owned(), one_line(&answer)))];
        }
        let answers: Vec<String> = answer.trim_end_matches('\n').lines().map(one_line).collect();
        if answers.len() == lines.len() {
            return lines.iter().zip(answers).map(|((phrase, _), said)| Ok(((*phrase).to_owned(), said))).collect();
        }
        let one = async |(phrase, line): &Line<'_>| {
            self.text(language, line).await.map(|said| ((*phrase).to_owned(), one_line(&said)))
        };
        stream::iter(lines).map(one).buffered(AT_A_TIME).collect().await
    }

    async fn text(&self, language: &Language, text: &str) -> Result<String> {
        let call = self.client.translate_text().source_language_code("en").target_language_code(language.tag());
        let answer = call.text(text).send().await.map_err(fault);
        let outcome = answer.as_ref().map_or_else(|error| error.kind().slug(), |_| "answered");
        let labels = [("provider", "amazon-translate"), ("feature", "translation"), ("outcome", outcome)];
        counter!("crosslens_provider_calls_total", &labels).increment(1);
        Ok(answer?.translated_text)
    }
}

#[async_trait]
impl Translate for AmazonTranslate {
    fn name(&self) -> &str {
        "amazon-translate"
    }

    async fn translate(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
        let (mut said, mut failed) = (BTreeMap::new(), None);
        for call in calls(phrases) {
            for outcome in self.lines(language, &call).await {
                match outcome {
                    Ok((phrase, text)) => drop((!text.is_empty()).then(|| said.insert(phrase, text))),
                    Err(error) => failed = Some(error),
                }
            }
            if failed.is_some() {
                break;
            }
        }
        match failed {
            // What was paid for is not thrown away with what failed.
            Some(error) if !said.is_empty() => {
                let left = phrases.len() - said.len();
                warn!(%language, left, %error, cause = error.causes(), "only some phrases were translated");
                Ok(said)
            }
            Some(error) => Err(error),
            None => Ok(said),
        }
    }
}

/// The phrases in as few calls as possible; one that is longer than a call is left out.
fn calls(phrases: &BTreeSet<String>) -> Vec<Vec<Line<'_>>> {
    let (mut calls, mut bytes) = (Vec::<Vec<Line<'_>>>::new(), 0);
    for phrase in phrases {
        let line = one_line(phrase);
        if line.is_empty() || line.len() > MOST_BYTES {
            continue;
        }
        match calls.last_mut() {
            Some(call) if bytes + 1 + line.len() <= MOST_BYTES => {
                bytes += 1 + line.len();
                call.push((phrase, line));
            }
            _ => {
                bytes = line.len();
                calls.push(vec![(phrase, line)]);
            }
        }
    }
    calls
}

/// Without line breaks and doubled spaces.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The one place where Translate's failures are classified.
fn fault(error: SdkError<TranslateTextError>) -> Error {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let (kind, message, retry) = match (&error, code) {
        (_, Some("TooManyRequestsException" | "ThrottlingException" | "LimitExceededException")) => {
            (Kind::RateLimited, "Amazon Translate has too much to do", None)
        }
        (_, Some("UnsupportedLanguagePairException")) => {
            (Kind::Unsupported, "Amazon Translate does not translate from English into this language", None)
        }
        (_, Some("TextSizeLimitExceededException")) => {
            (Kind::TooLarge, "the text is too long for Amazon Translate", None)
        }
        (_, Some("InvalidRequestException" | "ValidationException" | "InvalidParameterValueException")) => {
            (Kind::InvalidRequest, "Amazon Translate does not understand the request", None)
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
                | "SubscriptionRequiredException",
            ),
        ) => (Kind::Unavailable, "Amazon Translate does not take our calls", Some(Retry::Exhausted)),
        (SdkError::ServiceError(_), _) => (Kind::Unavailable, "Amazon Translate cannot answer now", None),
        (SdkError::TimeoutError(_), _) => (Kind::DeadlineExceeded, "Amazon Translate did not answer in time", None),
        (SdkError::DispatchFailure(_), _) => (Kind::Unavailable, "Amazon Translate cannot be reached", None),
        (SdkError::ResponseError(_), _) => (Kind::Unavailable, "Amazon Translate's answer cannot be read", None),
        _ => (Kind::Unavailable, "the call to Amazon Translate could not be made", None),
    };
    if retry == Some(Retry::Exhausted) {
        error!(
            aws.code = code.unwrap_or_default(),
            "Amazon Translate rejects our calls; check that the function's role has the action translate:TranslateText, in a \
             region that has Amazon Translate"
        );
    }
    let error = Error::new(kind, message).because(error);
    match retry {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_go_in_as_few_calls_as_possible() {
        let phrases: BTreeSet<String> = (0..100).map(|n| format!("{n:03} {}", "é".repeat(98))).collect();
        let made = calls(&phrases);
        // Lines of 200 bytes and a line break between any two.
        assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), [49, 49, 2]);
        assert_eq!(made.iter().flatten().map(|(phrase, _)| (*phrase).to_owned()).collect::<BTreeSet<_>>(), phrases);
        assert!(calls(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn a_phrase_is_one_line_and_fits() {
        let phrases =
            BTreeSet::from([" two\n lines ".to_owned(), " ".to_owned(), "x".repeat(10_001), "y".repeat(10_000)]);
        let made = calls(&phrases);
        assert_eq!(made.len(), 2);
        assert_eq!(made[0], [(" two\n lines ", "two lines".to_owned())]);
        assert_eq!(made[1][0].1.len(), 10_000);
    }
}
