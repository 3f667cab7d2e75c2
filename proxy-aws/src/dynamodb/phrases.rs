//! The dictionary: a row for each phrase and language, which stays as it was first written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use common::{
    error::Result,
    ports::Phrases,
    translation::{Language, Phrase},
};
use futures_util::future::try_join_all;

use super::{
    DynamoLedger,
    change::Change,
    rows::{Key, packed},
};

/// Phrases that are written at the same time.
const AT_ONCE: usize = 16;

#[async_trait]
impl Phrases for DynamoLedger {
    async fn known(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, Phrase>> {
        let by_key: HashMap<Key, &String> =
            phrases.iter().map(|phrase| (Key::phrase(language, phrase), phrase)).collect();
        let keys: Vec<Key> = by_key.keys().cloned().collect();
        let mut known = BTreeMap::new();
        for row in self.table.get_many(&keys, None).await? {
            let phrase = row.key().and_then(|key| by_key.get(&key).copied());
            if let (Some(phrase), Some(translated)) = (phrase, row.unpacked("phrase_json")?) {
                known.insert(phrase.clone(), translated);
            }
        }
        Ok(known)
    }

    async fn keep(&self, language: &Language, phrases: &BTreeMap<String, Phrase>) -> Result<()> {
        let mut rows = Vec::with_capacity(phrases.len());
        for (phrase, translated) in phrases {
            rows.push(Change::of(Key::phrase(language, phrase)).set_once("phrase_json", packed(translated)?));
        }
        for some in rows.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|row| self.table.write(row))).await?;
        }
        Ok(())
    }
}
