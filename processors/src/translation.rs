//! Translation: the labels of an image in the languages that were asked for.
//!
//! # Layout, in reading order
//! Below is one event's way. A label is looked for in the user's glossary (`glossaries`), in the built-in one (`built_in`), in the
//! durable dictionary and, if nobody knows it, asked from a service (`lane`). What nobody can translate is named.

mod built_in;
mod glossaries;
mod lane;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use common::{
    analysis::Analysis,
    error::Result,
    event::{Event, Payload, Topic},
    ports::{Phrases, Settlement},
    request::Cloud,
    translation::{Language, Phrase, TranslatedLabel, Translations},
};
use futures_util::future::try_join_all;
use metrics::counter;

pub use self::glossaries::{Glossaries, Glossary};
use self::lane::Lane;
use crate::processor::Processor;

/// The language that labels are in.
const SOURCE: &str = "en";
/// The provider whose labels are the embedded model's classes.
const EMBEDDED: &str = "local";

/// Translates phrases from English for money.
///
/// # Behavior
/// - What it cannot translate is left out of the answer.
/// - An error means that the service failed, and may be asked later.
#[async_trait]
pub trait Translate: Send + Sync {
    /// Who translates, as in `amazon-translate`; kept with each phrase.
    fn name(&self) -> &str;

    /// Phrases to their translations, all of them at once.
    async fn translate(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, String>>;
}

/// The processor `translation`.
pub struct Translator {
    cloud: Cloud,
    lanes: Vec<Lane>,
    glossaries: Glossaries,
    service: Option<Arc<dyn Translate>>,
    phrases: Arc<dyn Phrases>,
}

impl Translator {
    /// Into these languages, each of which counts once. Without a service only glossaries and dictionary are asked.
    pub fn new(
        cloud: Cloud,
        languages: Vec<Language>,
        glossaries: Glossaries,
        service: Option<Arc<dyn Translate>>,
        phrases: Arc<dyn Phrases>,
    ) -> Self {
        let mut seen = BTreeSet::new();
        let lanes = languages.into_iter().filter(|language| seen.insert(language.clone())).map(Lane::new).collect();
        Self { cloud, lanes, glossaries, service, phrases }
    }

    /// What is known of these labels in one language.
    async fn in_language(&self, lane: &Lane, analysis: &Analysis, labels: &[&str]) -> Result<BTreeMap<String, Phrase>> {
        let (glossary, embedded) = (self.glossaries.now(), analysis.detector.provider == EMBEDDED);
        let free = |label: &str| -> Option<Phrase> {
            let said = |text: &str, by: &str| Phrase { text: text.to_owned(), by: by.to_owned() };
            if let Some(text) = glossary.find(&lane.language, label) {
                return Some(said(text, "user-glossary"));
            }
            if base(&lane.language) == SOURCE {
                return Some(said(label, "source"));
            }
            built_in::find(base(&lane.language), label, embedded).map(|text| said(text, "glossary"))
        };
        let (mut known, mut rest) = (BTreeMap::new(), BTreeSet::new());
        for label in labels.iter().filter(|label| !label.trim().is_empty()) {
            match free(label) {
                Some(phrase) => drop(known.insert((*label).to_owned(), phrase)),
                None => drop(rest.insert((*label).to_owned())),
            }
        }
        if !rest.is_empty() {
            known.extend(lane.translate(self.phrases.as_ref(), self.service.as_deref(), rest).await?);
        }
        Ok(known)
    }

    async fn translations(&self, analysis: &Analysis, labels: &[&str]) -> Result<Translations> {
        let told = self.lanes.iter().map(|lane| self.in_language(lane, analysis, labels));
        let told = try_join_all(told).await?;
        let mut translations = Translations {
            id: analysis.id.clone(),
            source: analysis.source.clone(),
            languages: self.lanes.iter().map(|lane| lane.language.clone()).collect(),
            translated: Vec::with_capacity(labels.len()),
            missing: BTreeMap::new(),
        };
        for label in labels {
            let mut phrases = BTreeMap::new();
            for (lane, known) in self.lanes.iter().zip(&told) {
                let phrase = known.get(*label);
                let by = phrase.map_or("nobody", |phrase| phrase.by.as_str());
                counter!("crosslens_translations_total", "by" => by.to_owned()).increment(1);
                match phrase {
                    Some(phrase) => drop(phrases.insert(lane.language.clone(), phrase.clone())),
                    None => {
                        let missing = translations.missing.entry(lane.language.clone()).or_default();
                        missing.push((*label).to_owned());
                    }
                }
            }
            translations.translated.push(TranslatedLabel { label: (*label).to_owned(), translations: phrases });
        }
        Ok(translations)
    }
}

#[async_trait]
impl Processor for Translator {
    fn name(&self) -> &str {
        "translation"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::ImageLabelled]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        let Payload::Labelled(analysis) = &event.data else { return Ok(Settlement::default()) };
        let mut seen = BTreeSet::new();
        let labels = analysis.findings.labels.iter().flatten().map(|label| label.description.as_str());
        let labels: Vec<&str> = labels.filter(|label| seen.insert(*label)).collect();
        if labels.is_empty() || self.lanes.is_empty() {
            return Ok(Settlement::default());
        }
        let translations = self.translations(analysis, &labels).await?;
        let events = vec![Event::translated(self.cloud, &translations, event.traceparent.clone())];
        Ok(Settlement { events, ..Settlement::default() })
    }
}

/// The language without its region or script, as in `es` of `es-MX`.
fn base(language: &Language) -> &str {
    language.tag().split_once('-').map_or(language.tag(), |(base, _)| base)
}

/// How a glossary looks a phrase up.
fn folded(phrase: &str) -> String {
    phrase.trim().to_lowercase()
}
