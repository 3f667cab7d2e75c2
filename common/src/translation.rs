//! Labels in other languages.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{Error, Kind, Result},
    request::ImageId,
};

/// A language by its BCP 47 tag, as in `es` or `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct Language(String);

impl Language {
    /// The tag.
    pub fn tag(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('-');
        let letters = |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let suffix =
            |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if parts.next().is_some_and(letters) && parts.all(suffix) && text.len() <= 16 {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Kind::InvalidRequest, "a language is a tag as in es, fr or pt-BR"))
    }
}

impl TryFrom<String> for Language {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A phrase in another language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Phrase {
    /// In that language.
    pub text: String,
    /// Who translated it, as in `glossary` or `amazon-translate`.
    pub by: String,
}

/// One label and what it is called elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranslatedLabel {
    /// The label as the detector gave it; it always stays.
    pub label: String,
    /// By language; one that is missing here is named in `missing`.
    #[schema(value_type = BTreeMap<String, Phrase>)]
    pub translations: BTreeMap<Language, Phrase>,
}

/// The labels of one image in the languages that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Translations {
    /// The image's id.
    #[schema(value_type = String)]
    pub id: ImageId,
    /// Where the image came from, as in the analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The languages that were asked for.
    #[schema(value_type = Vec<String>)]
    pub languages: Vec<Language>,
    /// The labels, in the analysis's order.
    pub translated: Vec<TranslatedLabel>,
    /// What could not be translated, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub missing: BTreeMap<Language, Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        for good in ["es", "fr", "pt-BR", "zh-Hant", "fil"] {
            assert_eq!(good.parse::<Language>().unwrap().tag(), good);
        }
        for bad in ["", "e", "ES", "spanish", "es-", "es_MX", "es-M", "es/..", "zh-Hant-TW-abcdefgh"] {
            assert!(bad.parse::<Language>().is_err(), "{bad}");
        }
    }
}
