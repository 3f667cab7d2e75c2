//! One language's way from the dictionary to the service, so that a phrase is paid for once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    endpoints::{Breaker, Patience},
    error::Result,
    ports::Phrases,
    translation::{Language, Phrase},
};
use tokio::sync::Mutex;
use tracing::warn;

use super::Translate;

/// A service that fails is left alone for a while: what waits behind it is told without translations, not late.
const PATIENCE: Patience =
    Patience { failures: 1, first_rest: Duration::from_secs(1), longest_rest: Duration::from_secs(30), rate: None };
/// Characters in a translation; what is longer is no name of anything.
pub(super) const MOST_CHARACTERS: usize = 500;

/// One language.
pub(super) struct Lane {
    pub(super) language: Language,
    /// Held from looking up to keeping.
    turn: Mutex<()>,
    breaker: Breaker,
}

impl Lane {
    pub(super) fn new(language: Language) -> Self {
        Self { language, turn: Mutex::new(()), breaker: Breaker::new(PATIENCE) }
    }

    /// Those of these phrases that the dictionary knows or the service can translate. Only a failure of the dictionary is an
    /// error: without it the service would be paid again.
    pub(super) async fn translate(
        &self,
        phrases: &dyn Phrases,
        service: Option<&dyn Translate>,
        wanted: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Phrase>> {
        let known = phrases.known(&self.language, &wanted).await?;
        let Some(service) = service else { return Ok(known) };
        if known.len() == wanted.len() {
            return Ok(known);
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have asked for the same.
        let mut known = phrases.known(&self.language, &wanted).await?;
        let rest: BTreeSet<String> = wanted.into_iter().filter(|phrase| !known.contains_key(phrase)).collect();
        if !rest.is_empty() {
            let said = self.ask(service, &rest).await;
            if !said.is_empty() {
                phrases.keep(&self.language, &said).await?;
                // Another process may have been first, and what it kept counts.
                known.extend(phrases.known(&self.language, &said.into_keys().collect()).await?);
            }
        }
        Ok(known)
    }

    /// What the service says; nothing where it fails.
    async fn ask(&self, service: &dyn Translate, rest: &BTreeSet<String>) -> BTreeMap<String, Phrase> {
        let Ok(pass) = self.breaker.enter() else { return BTreeMap::new() };
        let (by, language, count) = (service.name(), &self.language, rest.len());
        match service.translate(language, rest).await {
            Ok(said) => {
                pass.succeeded();
                let usable = |text: &str| !text.is_empty() && text.chars().count() <= MOST_CHARACTERS;
                let said = said.into_iter().filter(|(phrase, _)| rest.contains(phrase));
                let said =
                    said.map(|(phrase, text)| (phrase, Phrase { text: text.trim().to_owned(), by: by.to_owned() }));
                said.filter(|(_, phrase)| usable(&phrase.text)).collect()
            }
            Err(error) => {
                pass.failed();
                warn!(%language, by, count, %error, cause = error.causes(), "labels stay untranslated");
                BTreeMap::new()
            }
        }
    }
}
