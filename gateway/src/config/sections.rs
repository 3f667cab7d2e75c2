//! A TOML file by its sections, each read on its own, so that one that is wrong does not hide what is wrong in the others.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use toml::{Table, Value};

/// What is left of a file, and what was wrong so far.
pub(super) struct Sections {
    table: Table,
    problems: Vec<String>,
}

impl Sections {
    pub(super) fn new(table: Table) -> Self {
        Self { table, problems: Vec::new() }
    }

    pub(super) fn one<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.optional(name).unwrap_or_default()
    }

    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.table.remove(name)?;
        self.read(&format!("[{name}]"), value)
    }

    pub(super) fn rows<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let rows = match self.table.remove(name) {
            None => return Vec::new(),
            Some(Value::Array(rows)) => rows,
            Some(_) => {
                self.problems.push(format!("{name}: write each as [[{name}]]"));
                return Vec::new();
            }
        };
        let mut read = Vec::new();
        for (place, row) in rows.into_iter().enumerate() {
            let called = row.get("name").and_then(Value::as_str).map(|name| format!(" ({name})")).unwrap_or_default();
            read.extend(self.read(&format!("[[{name}]] number {}{called}", place + 1), row));
        }
        read
    }

    /// What stands above all sections, each setting on its own.
    pub(super) fn rest<T: DeserializeOwned + Default>(mut self, problems: &mut Vec<String>) -> T {
        let mut good = Table::new();
        for (name, value) in std::mem::take(&mut self.table) {
            let alone: Table = [(name.clone(), value.clone())].into_iter().collect();
            if self.read::<T>(&name, Value::Table(alone)).is_some() {
                good.insert(name, value);
            }
        }
        problems.append(&mut self.problems);
        T::deserialize(Value::Table(good)).unwrap_or_default()
    }

    fn read<T: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<T> {
        T::deserialize(value).map_err(|error| self.problems.push(format!("{place}: {}", one_line(&error)))).ok()
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time in seconds, of which there may be parts.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u32),
        Parts(f64),
    }
    let wrong = || serde::de::Error::custom("a time is a number of seconds above 0 and at most a day");
    let seconds = match Number::deserialize(deserializer).map_err(|_| wrong())? {
        Number::Whole(seconds) => f64::from(seconds),
        Number::Parts(seconds) => seconds,
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= Duration::from_secs(86_400) => Ok(time),
        _ => Err(wrong()),
    }
}
