//! The user's own glossary, which comes before everything else: parsed with all problems at once, and replaced while the program runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use common::{
    error::{Error, Kind, Result},
    translation::Language,
};

use super::{base, folded, lane::MOST_CHARACTERS};

/// Bytes in a glossary.
const MOST_BYTES: usize = 1 << 20;

/// Phrases in other languages as the user wants them, as in
///
/// ```toml
/// [es]
/// "espresso" = "cafecito"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glossary(BTreeMap<String, BTreeMap<String, String>>);

impl Glossary {
    /// Reads it.
    ///
    /// # Errors
    /// `invalid-request` with everything that is wrong, a line each: unknown languages, empty texts and texts over 500
    /// characters, control characters, phrases that are there twice.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MOST_BYTES {
            return Err(invalid(format!("a glossary has at most {MOST_BYTES} bytes")));
        }
        let file: toml::Table = text.parse().map_err(|error: toml::de::Error| invalid(error.to_string()))?;
        let (mut glossary, mut problems) = (Self::default(), Vec::new());
        for (tag, value) in file {
            if let Err(error) = tag.parse::<Language>() {
                problems.push(format!("[{tag}]: {}", error.message()));
            }
            let toml::Value::Table(entries) = value else {
                problems.push(format!("{tag}: a language is a table, as in [es]"));
                continue;
            };
            let mut phrases = BTreeMap::new();
            for (phrase, value) in entries {
                let fault = match read(&phrase, &value) {
                    Ok((phrase, said)) => phrases.insert(phrase, said).map(|_| "the phrase is there twice"),
                    Err(fault) => Some(fault),
                };
                let shown: String = phrase.chars().take(40).collect();
                problems.extend(fault.map(|fault| format!("[{tag}] {shown:?}: {fault}")));
            }
            glossary.0.insert(tag, phrases);
        }
        if problems.is_empty() { Ok(glossary) } else { Err(invalid(problems.join("\n"))) }
    }

    /// What a phrase is called in this language, or in the language without its region.
    pub(super) fn find(&self, language: &Language, phrase: &str) -> Option<&str> {
        let phrase = folded(phrase);
        let within = |tag: &str| self.0.get(tag).and_then(|phrases| phrases.get(&phrase));
        within(language.tag()).or_else(|| within(base(language))).map(String::as_str)
    }
}

/// A phrase and what it is called, or what is wrong with them.
fn read(phrase: &str, value: &toml::Value) -> Result<(String, String), &'static str> {
    let (phrase, said) = (folded(phrase), value.as_str().ok_or("the translation is not a text")?.trim());
    if phrase.is_empty() {
        return Err("the phrase is empty");
    }
    if said.is_empty() {
        return Err("the translation is empty");
    }
    let long = |text: &str| text.chars().count() > MOST_CHARACTERS;
    if long(&phrase) || long(said) {
        return Err("a text has at most 500 characters");
    }
    if phrase.chars().chain(said.chars()).any(char::is_control) {
        return Err("a text is one line without control characters");
    }
    Ok((phrase, said.to_owned()))
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

/// The user's glossary as it is now; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Glossaries(Arc<RwLock<Arc<Glossary>>>);

impl Glossaries {
    /// Begins with this one.
    pub fn new(glossary: Glossary) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(glossary))))
    }

    /// Takes another text instead from now on; `false` where it says the same.
    ///
    /// # Errors
    /// Those of [`Glossary::parse`]; what was there before stays.
    pub fn replace(&self, text: &str) -> Result<bool> {
        let glossary = Glossary::parse(text)?;
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let another = **held != glossary;
        if another {
            *held = Arc::new(glossary);
        }
        Ok(another)
    }

    /// The one that counts now.
    pub(super) fn now(&self) -> Arc<Glossary> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glossary_is_read_and_found_in_any_case() {
        let text = "[es]\n\" Espresso\" = \" cafecito \"\ncup = \"taza\"\n[es-MX]\ncup = \"tacita\"\n";
        let glossary = Glossary::parse(text).unwrap();
        let find = |tag: &str, phrase: &str| glossary.find(&tag.parse().unwrap(), phrase).map(str::to_owned);
        assert_eq!(find("es", "espresso").as_deref(), Some("cafecito"));
        assert_eq!(find("es", "ESPRESSO").as_deref(), Some("cafecito"));
        assert_eq!((find("es-MX", "cup").as_deref(), find("es", "cup").as_deref()), (Some("tacita"), Some("taza")));
        assert_eq!(find("es-MX", "espresso").as_deref(), Some("cafecito"), "the language without its region");
        assert_eq!((find("fr", "espresso"), find("es", "saucer")), (None, None));
        assert_eq!(Glossary::parse("").unwrap(), Glossary::default());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let long = "x".repeat(501);
        let text = format!(
            "stray = 1\n[Spanish]\na = \"b\"\n[es]\nempty = \" \"\n\"\" = \"c\"\nnumber = 3\nCup = \"a\"\ncup = \"b\"\nlong = \"{long}\"\nlines = \"a\\nb\"\n"
        );
        let error = Glossary::parse(&text).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        let said: Vec<&str> = error.message().lines().collect();
        assert_eq!(said.len(), 8, "{said:#?}");
        let named = [
            "stray:",
            "[Spanish]:",
            "\"empty\"",
            "\"\"",
            "\"number\"",
            "\"cup\": the phrase is there twice",
            "\"long\"",
            "\"lines\"",
        ];
        for name in named {
            assert!(said.iter().any(|line| line.contains(name)), "{name}: {said:#?}");
        }
        for broken in ["[es", "[es]\na = \"1\"\na = \"2\"", &format!("# {}", "x".repeat(MOST_BYTES))] {
            assert_eq!(Glossary::parse(broken).unwrap_err().kind(), Kind::InvalidRequest);
        }
    }

    #[test]
    fn an_invalid_text_is_refused_and_the_running_one_stays() {
        let (es, glossaries) = ("es".parse().unwrap(), Glossaries::default());
        let shared = glossaries.clone();
        assert!(glossaries.replace("[es]\ncup = \"tacita\"").unwrap());
        assert!(!glossaries.replace("[es]\n'Cup' = 'tacita'").unwrap(), "it says the same");
        assert!(glossaries.replace("[es]\ncup = ''").is_err());
        assert_eq!(shared.now().find(&es, "cup"), Some("tacita"));
        assert!(glossaries.replace("").unwrap());
        assert_eq!(shared.now().find(&es, "cup"), None);
    }
}
