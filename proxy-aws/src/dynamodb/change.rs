//! One conditional write, put together piece by piece: alone, or as a part of a transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use common::error::{Result, internal};

use super::rows::{Item, Key};

/// `ttl` is a word of DynamoDB's own in expressions.
pub(super) const TTL: &str = "#ttl";

/// Changes of one row and the conditions that they stand under.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) key: Key,
    sets: Vec<String>,
    removes: Vec<&'static str>,
    adds: Vec<String>,
    conditions: Vec<&'static str>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Change {
    pub(super) fn of(key: Key) -> Self {
        let (sets, removes, adds, conditions) = (vec![], vec![], vec![], vec![]);
        Self { key, sets, removes, adds, conditions, values: HashMap::new() }
    }

    /// Writes an attribute.
    pub(super) fn set(mut self, name: &'static str, value: AttributeValue) -> Self {
        let place = place(name);
        self.sets.push(format!("{name} = {place}"));
        self.with(&place, value)
    }

    /// Writes an attribute that is not there yet.
    pub(super) fn set_once(mut self, name: &'static str, value: AttributeValue) -> Self {
        let place = place(name);
        self.sets.push(format!("{name} = if_not_exists({name}, {place})"));
        self.with(&place, value)
    }

    /// Writes the attribute, or takes it away.
    pub(super) fn set_or_remove(self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(&[name]),
        }
    }

    /// Adds to a number; one that is not there is 0.
    pub(super) fn add(mut self, name: &'static str, value: AttributeValue) -> Self {
        let place = place(name);
        self.adds.push(format!("{name} {place}"));
        self.with(&place, value)
    }

    /// Takes attributes away.
    pub(super) fn remove(mut self, names: &[&'static str]) -> Self {
        self.removes.extend(names);
        self
    }

    /// Adds a condition; all of them must hold.
    pub(super) fn only_if(mut self, condition: &'static str) -> Self {
        self.conditions.push(condition);
        self
    }

    /// A value that a condition names.
    pub(super) fn with(mut self, place: &str, value: AttributeValue) -> Self {
        self.values.insert(place.to_owned(), value);
        self
    }

    pub(super) fn update(&self) -> Option<String> {
        let part = |verb: &str, list: Vec<&str>| (!list.is_empty()).then(|| format!("{verb} {}", list.join(", ")));
        let parts = [
            part("SET", self.sets.iter().map(String::as_str).collect()),
            part("REMOVE", self.removes.clone()),
            part("ADD", self.adds.iter().map(String::as_str).collect()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    pub(super) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| format!("({})", self.conditions.join(") AND (")))
    }

    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let expressions = [self.update(), self.condition()];
        let uses = expressions.iter().flatten().any(|expression| expression.contains(TTL));
        uses.then(|| HashMap::from([(TTL.to_owned(), "ttl".to_owned())]))
    }

    /// The values, unless there are none: an empty list is refused.
    pub(super) fn some_values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    /// The change as a part of a transaction.
    pub(super) fn in_transaction(self, table: &str) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(self.key.item()))
            .set_update_expression(self.update())
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.some_values())
            .return_values_on_condition_check_failure(AllOld)
            .build();
        Ok(TransactWriteItem::builder().update(update.map_err(unbuilt)?).build())
    }

    /// The removal of the row, under the same conditions, as a part of a transaction.
    pub(super) fn delete_in_transaction(self, table: &str) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(self.key.item()))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.some_values())
            .return_values_on_condition_check_failure(AllOld)
            .build();
        Ok(TransactWriteItem::builder().delete(delete.map_err(unbuilt)?).build())
    }
}

/// A whole row, written as a part of a transaction.
pub(super) fn put_in_transaction(table: &str, item: Item) -> Result<TransactWriteItem> {
    let put = Put::builder().table_name(table).set_item(Some(item)).build();
    Ok(TransactWriteItem::builder().put(put.map_err(unbuilt)?).build())
}

fn place(name: &str) -> String {
    format!(":{}", name.trim_start_matches('#'))
}

fn unbuilt(error: BuildError) -> common::error::Error {
    internal(error)
}
