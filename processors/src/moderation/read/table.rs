//! One table of a policy file, field by field: a field of another kind and a field that nobody reads are both problems.

use toml::{Table, Value};

/// A table whose fields are taken out one by one; what is left in the end is unknown.
pub(super) struct Fields<'a> {
    whose: &'a str,
    table: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(whose: &'a str, table: Table, problems: &'a mut Vec<String>) -> Self {
        Self { whose, table, known: Vec::new(), problems }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.one(name, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(super) fn truth(&mut self, name: &'static str) -> Option<bool> {
        self.one(name, "true or false", |value| value.as_bool())
    }

    pub(super) fn whole(&mut self, name: &'static str) -> Option<i64> {
        self.one(name, "a whole number", |value| value.as_integer())
    }

    /// A whole number is a number as well.
    pub(super) fn number(&mut self, name: &'static str) -> Option<f64> {
        self.one(name, "a number", |value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)))
    }

    pub(super) fn table(&mut self, name: &'static str) -> Option<Table> {
        self.one(name, "a table", |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Table> {
        self.many(name, "a list of tables", |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        self.many(name, "a list of texts", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// Names what nobody has asked for.
    pub(super) fn end(self) {
        for name in self.table.keys() {
            let known = self.known.join(", ");
            self.problems.push(format!(
                "{}: there is no field \"{}\"; known are {known}",
                self.whose,
                name.escape_debug()
            ));
        }
    }

    pub(super) fn problem(&mut self, problem: &str) {
        self.problems.push(format!("{}: {problem}", self.whose));
    }

    fn one<T>(&mut self, name: &'static str, kind: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        self.known.push(name);
        let read = read(self.table.remove(name)?);
        if read.is_none() {
            self.problem(&format!("{name} is {kind}"));
        }
        read
    }

    fn many<T>(&mut self, name: &'static str, kind: &str, read: impl Fn(Value) -> Option<T>) -> Vec<T> {
        let list = self.one(name, kind, |value| match value {
            Value::Array(items) => Some(items),
            _ => None,
        });
        let items: Vec<Option<T>> = list.unwrap_or_default().into_iter().map(read).collect();
        if items.iter().any(Option::is_none) {
            self.problem(&format!("{name} is {kind}"));
        }
        items.into_iter().flatten().collect()
    }
}
