//! The rows of a request, of the analysis that it stands on and of its label index: read, written and taken apart here only.

use common::{
    analysis::{Analysis, Features, MAX_LABELS},
    event::Failure,
    image::Digest,
    ports::Outcome,
    request::{ImageId, Query},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::db::{Fault, now_ms};

const COLUMNS: &str = "r.id, r.accepted IS NOT NULL, r.expires_ms, r.seq, r.told, r.analysis, r.request_id, r.source,
                       r.max_labels, r.failure, a.body, r.token";

/// One request with the analysis that it stands on.
pub(super) struct Row {
    id: String,
    pub(super) accepted: bool,
    pub(super) expires_ms: Option<i64>,
    pub(super) seq: Option<i64>,
    pub(super) told: bool,
    pub(super) analysis: Option<i64>,
    request_id: Option<String>,
    source: Option<String>,
    max_labels: Option<u16>,
    failure: Option<String>,
    body: Option<String>,
    pub(super) token: Option<String>,
}

impl Row {
    /// The request named `id`.
    pub(super) fn find(connection: &Connection, id: &ImageId) -> Result<Option<Self>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM request r LEFT JOIN analysis a ON a.num = r.analysis WHERE r.id = ?1");
        Ok(connection.prepare_cached(&sql)?.query_row([id.as_str()], Self::read).optional()?)
    }

    /// Analysed requests recorded before `before`, newest first; those with this label where one is given.
    pub(super) fn page(
        connection: &Connection,
        word: Option<&str>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Self>, Fault> {
        let from = "JOIN analysis a ON a.num = r.analysis";
        let rows = match word {
            None => {
                let sql =
                    format!("SELECT {COLUMNS} FROM request r {from} WHERE r.seq < ?1 ORDER BY r.seq DESC LIMIT ?2");
                connection
                    .prepare_cached(&sql)?
                    .query_map(params![before, limit], Self::read)?
                    .collect::<Result<_, _>>()
            }
            Some(word) => {
                let sql = format!(
                    "SELECT {COLUMNS} FROM label l JOIN request r ON r.seq = l.seq {from}
                     WHERE l.word = ?1 AND l.seq < ?2 ORDER BY l.seq DESC LIMIT ?3"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                statement.query_map(params![word, before, limit], Self::read)?.collect::<Result<_, _>>()
            }
        };
        Ok(rows?)
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            accepted: row.get(1)?,
            expires_ms: row.get(2)?,
            seq: row.get(3)?,
            told: row.get(4)?,
            analysis: row.get(5)?,
            request_id: row.get(6)?,
            source: row.get(7)?,
            max_labels: row.get(8)?,
            failure: row.get(9)?,
            body: row.get(10)?,
            token: row.get(11)?,
        })
    }

    /// How it ended, as this request is answered; `None` while it has not.
    pub(super) fn outcome(&self) -> Result<Option<Outcome>, Fault> {
        if let Some(body) = &self.body {
            let kept: Analysis = serde_json::from_str(body)?;
            let (id, source) = (self.id.parse()?, self.source.clone());
            let request_id = self.request_id.clone().unwrap_or_default();
            let own = Analysis { id, request_id, source, ..kept }.truncated(self.max_labels.unwrap_or(MAX_LABELS));
            return Ok(Some(Outcome::Done(Box::new(own))));
        }
        let failure: Option<Failure> = self.failure.as_deref().map(serde_json::from_str).transpose()?;
        Ok(failure.map(Outcome::Failed))
    }
}

/// Writes how the request ended, and ends its claim.
pub(super) fn conclude(
    connection: &Connection,
    id: &ImageId,
    query: &Query,
    outcome: Outcome,
    told: bool,
) -> Result<(), Fault> {
    let ended = "token = NULL, owner = NULL, expires_ms = NULL, told = told OR ?2, seen_ms = ?3";
    match outcome {
        Outcome::Failed(failure) => {
            let sql = format!("UPDATE request SET {ended}, failure = ?4 WHERE id = ?1");
            let failure = serde_json::to_string(&failure)?;
            connection.prepare_cached(&sql)?.execute(params![id.as_str(), told, now_ms(), failure])?;
        }
        Outcome::Done(analysis) => {
            detach(connection, id)?;
            let num = keep(connection, &query.features, &analysis)?;
            let sql = format!(
                "UPDATE request SET {ended}, failure = NULL, analysis = ?4, request_id = ?5, source = ?6, max_labels = ?7,
                 seq = coalesce(seq, (SELECT coalesce(max(seq), 0) + 1 FROM request)) WHERE id = ?1"
            );
            let (request_id, source) = (&analysis.request_id, &analysis.source);
            let values = params![id.as_str(), told, now_ms(), num, request_id, source, query.max_labels];
            connection.prepare_cached(&sql)?.execute(values)?;
            index_labels(connection, id, "INSERT OR IGNORE INTO label (word, seq) VALUES (?1, ?2)")?;
        }
    }
    Ok(())
}

/// Takes the request off its analysis, and the analysis away where nobody else stands on it.
pub(super) fn detach(connection: &Connection, id: &ImageId) -> Result<(), Fault> {
    let Some(num) = Row::find(connection, id)?.and_then(|row| row.analysis) else { return Ok(()) };
    index_labels(connection, id, "DELETE FROM label WHERE word = ?1 AND seq = ?2")?;
    connection.prepare_cached("UPDATE request SET analysis = NULL WHERE id = ?1")?.execute([id.as_str()])?;
    let sql = "DELETE FROM analysis WHERE num = ?1 AND NOT EXISTS (SELECT 1 FROM request WHERE analysis = ?1)";
    connection.prepare_cached(sql)?.execute([num])?;
    Ok(())
}

/// Keeps the first answer for the same bytes, features and detector; returns its number.
fn keep(connection: &Connection, features: &Features, analysis: &Analysis) -> Result<i64, Fault> {
    let (digest, features, detector) = (analysis.digest.hex(), features.to_string(), &analysis.detector);
    // Where the image came from belongs to the request alone.
    let body = serde_json::to_string(&Analysis { source: None, ..analysis.clone() })?;
    let sql = "INSERT INTO analysis (digest, features, provider, model, body) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (digest, features, provider, model) DO NOTHING";
    let key = params![digest, features, detector.provider, detector.model];
    connection.prepare_cached(sql)?.execute(params![digest, features, detector.provider, detector.model, body])?;
    let sql = "SELECT num FROM analysis WHERE digest = ?1 AND features = ?2 AND provider = ?3 AND model = ?4";
    Ok(connection.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
}

/// The newest analysis of these bytes for exactly these features, by this detector or by any, as the request that still
/// stands on it has it, without that request's source.
pub(super) fn reusable(
    connection: &Connection,
    digest: Digest,
    features: &Features,
    detector: Option<(&str, &str)>,
) -> Result<Option<Analysis>, Fault> {
    let sql = "SELECT a.body, (SELECT id FROM request WHERE analysis = a.num LIMIT 1) FROM analysis a
               WHERE digest = ?1 AND features = ?2 AND (?3 IS NULL OR (provider = ?3 AND model = ?4))
               ORDER BY num DESC LIMIT 1";
    let (provider, model) = detector.unzip();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    let values = params![digest.hex(), features.to_string(), provider, model];
    let Some((body, id)) = connection.prepare_cached(sql)?.query_row(values, read).optional()? else { return Ok(None) };
    let kept: Analysis = serde_json::from_str(&body)?;
    let id = id.map(|id| id.parse()).transpose()?.unwrap_or_else(|| kept.id.clone());
    Ok(Some(Analysis { id, ..kept }))
}

/// Runs `sql` for each word (`?1`) of the labels of the request, with its number (`?2`).
fn index_labels(connection: &Connection, id: &ImageId, sql: &str) -> Result<(), Fault> {
    let Some(row) = Row::find(connection, id)? else { return Ok(()) };
    let (Some(seq), Some(Outcome::Done(analysis))) = (row.seq, row.outcome()?) else { return Ok(()) };
    let mut statement = connection.prepare_cached(sql)?;
    for label in analysis.findings.labels.iter().flatten() {
        statement.execute(params![word(&label.description), seq])?;
    }
    Ok(())
}

/// A label as the index spells it.
pub(super) fn word(label: &str) -> String {
    label.trim().to_lowercase()
}
