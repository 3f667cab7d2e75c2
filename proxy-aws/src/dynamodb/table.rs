//! The table and the few calls that are made on it.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use common::error::{Error, Result, internal};

use super::{
    change::Change,
    fault::{CONDITION, CONFLICT, call_error, classified},
    rows::{Key, Row},
};

/// As many keys as one `BatchGetItem` takes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const TOGETHER: usize = 100;

/// One table. Clones share the client's connections.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) client: aws_sdk_dynamodb::Client,
    pub(super) name: String,
}

/// What became of one conditional write.
#[derive(Debug)]
pub(super) enum Written {
    Yes,
    /// The condition did not hold for this row.
    No(Row),
}

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Transacted {
    Yes,
    /// The condition of its first write did not hold for this row.
    No(Row),
    /// Somebody else was faster with one of the other rows: look again and try again.
    Again(Error),
}

/// The key, the limits and the order of one query.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) index: Option<&'static str>,
    pub(super) condition: &'static str,
    pub(super) values: HashMap<String, AttributeValue>,
    /// The most rows that are wanted.
    pub(super) limit: Option<usize>,
    /// The attributes that are wanted; all without it.
    pub(super) only: Option<&'static str>,
    /// Turns the order of the sort key around.
    pub(super) last_first: bool,
}

impl Table {
    /// The row as the last write left it.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Row>> {
        let asked = self.client.get_item().table_name(&self.name).set_key(Some(key.item())).consistent_read(true);
        Ok(asked.send().await.map_err(call_error)?.item.map(Row))
    }

    /// The rows that are there, in any order.
    pub(super) async fn get_many(&self, keys: &[Key], only: Option<&'static str>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for keys in keys.chunks(TOGETHER) {
            let mut wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_projection_expression(only.map(ToOwned::to_owned));
            if only.is_some_and(|only| only.contains(super::change::TTL)) {
                wanted = wanted.expression_attribute_names(super::change::TTL, "ttl");
            }
            let wanted = wanted.set_keys(Some(keys.iter().map(Key::item).collect())).build().map_err(internal)?;
            let mut open = Some(HashMap::from([(self.name.clone(), wanted)]));
            let mut pauses = pauses();
            while let Some(asked) = open.take() {
                let answer = self.client.batch_get_item().set_request_items(Some(asked)).send();
                let answer = answer.await.map_err(call_error)?;
                rows.extend(answer.responses.into_iter().flatten().flat_map(|(_, rows)| rows).map(Row));
                // What did not fit into one answer, or was throttled.
                open = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
                if open.is_some() {
                    let pause = pauses.next().ok_or_else(|| classified("ThrottlingException", "keys are left over"))?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Ok(rows)
    }

    /// What an index or a partition holds, in the order of its sort key.
    pub(super) async fn query(&self, asked: Asked) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut start = None;
        // DynamoDB refuses to look for nothing.
        if asked.limit == Some(0) {
            return Ok(rows);
        }
        loop {
            let left = asked.limit.map(|limit| limit.saturating_sub(rows.len()).min(1000));
            let names = asked.condition.contains(super::change::TTL);
            let names = names.then(|| HashMap::from([(super::change::TTL.to_owned(), "ttl".to_owned())]));
            let query = self
                .client
                .query()
                .table_name(&self.name)
                .set_index_name(asked.index.map(ToOwned::to_owned))
                // An index over the whole table cannot be read so.
                .consistent_read(asked.index.is_none())
                .key_condition_expression(asked.condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(Some(asked.values.clone()))
                .set_projection_expression(asked.only.map(ToOwned::to_owned))
                .scan_index_forward(!asked.last_first)
                .set_limit(left.and_then(|left| i32::try_from(left).ok()))
                .set_exclusive_start_key(start);
            let answer = query.send().await.map_err(call_error)?;
            rows.extend(answer.items.into_iter().flatten().map(Row));
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || asked.limit.is_some_and(|limit| rows.len() >= limit) {
                return Ok(rows);
            }
        }
    }

    /// One conditional write. A transaction that holds the row is waited for.
    pub(super) async fn write(&self, change: &Change) -> Result<Written> {
        let mut pauses = pauses();
        loop {
            let update = self
                .client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(change.key.item()))
                .set_update_expression(change.update())
                .set_condition_expression(change.condition())
                .set_expression_attribute_names(change.names())
                .set_expression_attribute_values(change.some_values())
                .return_values_on_condition_check_failure(AllOld);
            let Err(error) = update.send().await else { return Ok(Written::Yes) };
            if let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() {
                return Ok(Written::No(Row(failed.item.clone().unwrap_or_default())));
            }
            match pauses.next().filter(|_| error.code().is_some_and(|code| CONFLICT.contains(&code))) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(call_error(error)),
            }
        }
    }

    /// Takes a row away; one that is gone already is no error. A transaction that holds it is waited for.
    pub(super) async fn delete(&self, key: &Key) -> Result<()> {
        let mut pauses = pauses();
        loop {
            let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key.item()));
            let Err(error) = delete.send().await else { return Ok(()) };
            match pauses.next().filter(|_| error.code().is_some_and(|code| CONFLICT.contains(&code))) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(call_error(error)),
            }
        }
    }

    /// All of these writes or none. The SDK gives each call a token, so that its own repetitions count once.
    pub(super) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Transacted> {
        let error = match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => return Ok(Transacted::Yes),
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(call_error(error));
        };
        let mut again = None;
        for (place, reason) in cancelled.cancellation_reasons().iter().enumerate() {
            match reason.code() {
                None | Some("None") => {}
                Some(code) if place == 0 && CONDITION.contains(&code) => {
                    return Ok(Transacted::No(Row(reason.item().cloned().unwrap_or_default())));
                }
                Some(code) if CONDITION.contains(&code) || CONFLICT.contains(&code) => again = Some(code.to_owned()),
                Some(code) => {
                    let code = code.to_owned();
                    return Err(classified(&code, error));
                }
            }
        }
        match again {
            Some(code) => Ok(Transacted::Again(classified(&code, error))),
            None => Err(internal(error)),
        }
    }
}

/// The same with no wait before the first try.
pub(super) fn first_at_once() -> impl Iterator<Item = Duration> {
    std::iter::once(Duration::ZERO).chain(pauses())
}

/// Tokio's shortest sleep is a millisecond, even where there is nothing to wait for.
pub(super) async fn waited(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait before each further try of what others were in the way of.
pub(super) fn pauses() -> impl Iterator<Item = Duration> {
    let policy = ExponentialBuilder::new().with_min_delay(Duration::from_millis(20)).with_factor(2.0).with_jitter();
    policy.with_max_delay(Duration::from_secs(1)).with_max_times(7).build()
}
