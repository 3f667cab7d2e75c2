//! A stand-in for Amazon Translate, of which no usable emulator is to be had: it knows no language, but it checks every text as the
//! service would, and answers each line with the language's code before it.

use serde_json::{Value, json};

use crate::aws_json::{AwsJsonStandIn, Fault, Spoken};

/// Bytes in a text, by Amazon's page of limits.
const LONGEST: usize = 10_000;
/// Of the codes that the service knows, those that tests use, with two that have a region.
const LANGUAGES: [&str; 8] = ["de", "en", "es", "es-MX", "fr", "it", "ja", "pt-PT"];

/// The stand-in.
pub type TranslateStandIn = AwsJsonStandIn<Text>;

/// A text that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The code of the language that was asked for.
    pub language: String,
    /// The text in English.
    pub text: String,
}

impl Spoken for Text {
    const SERVICE: &'static str = "translate";
    const TARGET: &'static str = "AWSShineFrontendService_20170701.";
    const INVALID: &'static str = "InvalidRequestException";

    type State = ();

    fn read(operation: &str, request: Value) -> Result<Self, Fault> {
        let invalid = |fault: String| (Self::INVALID, fault);
        if operation != "TranslateText" {
            return Err(invalid(format!("operation {operation}")));
        }
        let get = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
        let (text, source, language) = (get("Text"), get("SourceLanguageCode"), get("TargetLanguageCode"));
        let text = text.filter(|text| !text.is_empty()).ok_or_else(|| invalid("there is no text".to_owned()))?;
        if text.len() > LONGEST {
            return Err(("TextSizeLimitExceededException", format!("{} bytes", text.len())));
        }
        if source.as_deref() != Some("en") {
            return Err(invalid(format!("from {source:?}")));
        }
        let language = language.ok_or_else(|| invalid("there is no language".to_owned()))?;
        if !LANGUAGES.contains(&language.as_str()) {
            return Err(("UnsupportedLanguagePairException", format!("from en to {language}")));
        }
        Ok(Self { language, text })
    }

    fn answer(&self, (): &mut ()) -> Result<Value, Fault> {
        let lines: Vec<String> = self.text.split('\n').map(|line| format!("{}:{line}", self.language)).collect();
        Ok(json!({
            "TranslatedText": lines.join("\n"),
            "SourceLanguageCode": "en",
            "TargetLanguageCode": self.language,
            "AppliedSettings": {},
            "AppliedTerminologies": [],
        }))
    }
}
