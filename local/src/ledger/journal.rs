//! What processors have done: marks, what they found out about an image, the review list, the audit log, the dictionary.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use common::{
    error::Result,
    event::{Event, Topic},
    moderation::{AuditLine, ReviewItem},
    ports::{Dossier, Dossiers, Journal, Phrases, Reviews, Settled, Settlement},
    request::ImageId,
    translation::{Language, Phrase},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;

use super::SqliteLedger;
use crate::{
    db::{Fault, now_ms},
    topics::{SqliteTopics, append},
};

#[async_trait]
impl Journal for SqliteLedger {
    async fn is_settled(&self, processor: &str, event_id: &str) -> Result<bool> {
        let (processor, event_id) = (processor.to_owned(), event_id.to_owned());
        let find = move |connection: &Connection| {
            let sql = "SELECT 1 FROM settled WHERE processor = ?1 AND event_id = ?2";
            let found = connection.prepare_cached(sql)?.query_row([processor, event_id], |_| Ok(())).optional()?;
            Ok(found.is_some())
        };
        self.db.read(find).await
    }

    async fn settle(
        &self,
        processor: &str,
        event_id: &str,
        image: &ImageId,
        settlement: &Settlement,
    ) -> Result<Settled> {
        let settle = settling(processor, event_id, image, settlement, wait);
        Ok(if self.db.write(settle).await? { Settled::Recorded } else { Settled::Before })
    }
}

/// A journal that publishes on this machine's topics what it settles, in the same transaction.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct TellingJournal {
    pub ledger: SqliteLedger,
    pub topics: SqliteTopics,
}

#[async_trait]
impl Journal for TellingJournal {
    async fn is_settled(&self, processor: &str, event_id: &str) -> Result<bool> {
        self.ledger.is_settled(processor, event_id).await
    }

    async fn settle(
        &self,
        processor: &str,
        event_id: &str,
        image: &ImageId,
        settlement: &Settlement,
    ) -> Result<Settled> {
        let settle = settling(processor, event_id, image, settlement, publish);
        if !self.ledger.db.write(settle).await? {
            return Ok(Settled::Before);
        }
        if !settlement.events.is_empty() {
            self.topics.wake();
        }
        Ok(Settled::Told)
    }
}

/// Where a settlement's events go.
type Sending = fn(&Connection, &Event) -> Result<(), Fault>;

/// The transaction of a settlement; `false` where there was one before.
fn settling(
    processor: &str,
    event_id: &str,
    image: &ImageId,
    settlement: &Settlement,
    send: Sending,
) -> impl FnOnce(&Connection) -> Result<bool, Fault> + Send + 'static {
    let (processor, event_id) = (processor.to_owned(), event_id.to_owned());
    let (image, settlement) = (image.clone(), settlement.clone());
    move |connection| {
        let sql = "INSERT INTO settled (processor, event_id, image, at_ms) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (processor, event_id) DO NOTHING";
        let values = params![processor, event_id, image.as_str(), now_ms()];
        if connection.prepare_cached(sql)?.execute(values)? == 0 {
            return Ok(false);
        }
        for event in &settlement.events {
            send(connection, event)?;
            remember(connection, event)?;
        }
        for line in &settlement.audit {
            let sql = "INSERT INTO audit (image, body) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![line.id.as_str(), serde_json::to_string(line)?])?;
        }
        if let Some(item) = &settlement.review {
            let sql = "INSERT OR REPLACE INTO review (image, since_ms, body) VALUES (?1, ?2, ?3)";
            let values =
                params![item.moderation.id.as_str(), item.since.as_millisecond(), serde_json::to_string(item)?];
            connection.prepare_cached(sql)?.execute(values)?;
        }
        Ok(true)
    }
}

/// Into the outbox.
fn wait(connection: &Connection, event: &Event) -> Result<(), Fault> {
    let sql = "INSERT INTO outbox (event_id, request, recorded_ms, body) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (event_id) DO NOTHING";
    let values = params![event.id, event.image().as_str(), now_ms(), serde_json::to_string(event)?];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// On its topic.
fn publish(connection: &Connection, event: &Event) -> Result<(), Fault> {
    append(connection, event.topic().name(), &event.id, &serde_json::to_string(event)?)
}

/// Keeps an event as the newest of its kind where it is about an image.
fn remember(connection: &Connection, event: &Event) -> Result<(), Fault> {
    if !Topic::OF_IMAGES.contains(&event.topic()) {
        return Ok(());
    }
    let image = event.image().as_str();
    let sql = "INSERT OR REPLACE INTO fact (image, kind, at_ms, body) VALUES (?1, ?2, ?3, ?4)";
    let data = serde_json::to_string(&event.data)?;
    connection.prepare_cached(sql)?.execute(params![image, event.topic().kind(), now_ms(), data])?;
    if event.topic() == Topic::ImageModerated {
        connection.prepare_cached("DELETE FROM review WHERE image = ?1")?.execute([image])?;
    }
    Ok(())
}

#[async_trait]
impl Dossiers for SqliteLedger {
    async fn dossier(&self, id: &ImageId) -> Result<Dossier> {
        let id = id.clone();
        let find = move |connection: &Connection| {
            Ok(Dossier {
                moderation: fact(connection, &id, Topic::ImageModerated)?,
                translations: fact(connection, &id, Topic::LabelsTranslated)?,
            })
        };
        self.db.read(find).await
    }
}

fn fact<T: DeserializeOwned>(connection: &Connection, id: &ImageId, topic: Topic) -> Result<Option<T>, Fault> {
    let sql = "SELECT body FROM fact WHERE image = ?1 AND kind = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let body = statement.query_row(params![id.as_str(), topic.kind()], |row| row.get::<_, String>(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

#[async_trait]
impl Reviews for SqliteLedger {
    async fn waiting(&self, limit: usize) -> Result<Vec<ReviewItem>> {
        let find = move |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM review ORDER BY since_ms LIMIT ?1")?;
            let rows = statement.query_map([limit], |row| row.get::<_, String>(0))?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        };
        self.db.read(find).await
    }

    async fn audit(&self, id: &ImageId, limit: usize) -> Result<Vec<AuditLine>> {
        let id = id.clone();
        let find = move |connection: &Connection| {
            let sql = "SELECT body FROM audit WHERE image = ?1 ORDER BY num DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![id.as_str(), limit], |row| row.get::<_, String>(0))?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        };
        self.db.read(find).await
    }
}

#[async_trait]
impl Phrases for SqliteLedger {
    async fn known(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, Phrase>> {
        let (language, phrases) = (language.clone(), phrases.clone());
        let find = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT text, by FROM phrase WHERE language = ?1 AND phrase = ?2")?;
            let mut known = BTreeMap::new();
            for phrase in phrases {
                let read = |row: &rusqlite::Row<'_>| Ok(Phrase { text: row.get(0)?, by: row.get(1)? });
                if let Some(found) = statement.query_row(params![language.tag(), phrase], read).optional()? {
                    known.insert(phrase, found);
                }
            }
            Ok(known)
        };
        self.db.read(find).await
    }

    async fn keep(&self, language: &Language, phrases: &BTreeMap<String, Phrase>) -> Result<()> {
        let (language, phrases) = (language.clone(), phrases.clone());
        let keep = move |connection: &Connection| {
            let sql = "INSERT INTO phrase (language, phrase, text, by) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (language, phrase) DO NOTHING";
            let mut statement = connection.prepare_cached(sql)?;
            for (phrase, Phrase { text, by }) in &phrases {
                statement.execute(params![language.tag(), phrase, text, by])?;
            }
            Ok(())
        };
        self.db.write(keep).await
    }
}

/// Forgets what processors have found out about an image; the audit log stays.
pub(super) fn forget(connection: &Connection, id: &ImageId) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM settled WHERE image = ?1",
        "DELETE FROM fact WHERE image = ?1",
        "DELETE FROM review WHERE image = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([id.as_str()])?;
    }
    Ok(())
}

/// Forgets what was found out before `before_ms` about up to `limit` images that no request is about: those of other clouds,
/// and those that were erased while a processor worked on them.
pub(super) fn purge(connection: &Connection, before_ms: i64, limit: usize) -> Result<usize, Fault> {
    let sql = "SELECT DISTINCT image FROM settled s WHERE at_ms < ?1
               AND NOT EXISTS (SELECT 1 FROM request r WHERE r.id = s.image)
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE request = s.image) LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![before_ms, limit], |row| row.get::<_, String>(0))?;
    let images = rows.collect::<Result<Vec<_>, _>>()?;
    for image in &images {
        forget(connection, &image.parse()?)?;
    }
    Ok(images.len())
}
