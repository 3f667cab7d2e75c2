//! The file of targets: everything that is wrong with it at once, and nothing of its secrets.

use std::{collections::BTreeSet, convert::Infallible, fmt::Display};

use common::{event::Topic, moderation::Verdict, source::SourceUrl};
use toml::{Table, Value};

use super::{Name, Private, Secret, Target};

/// Reads `[[webhook]]` tables: those that are right, and every problem, each a sentence that names its webhook.
pub fn targets(text: &str) -> (Vec<Target>, Vec<String>) {
    let mut file: Table = match text.parse() {
        Ok(file) => file,
        // The parser's own text shows the line, which may hold a secret.
        Err(error) => return (Vec::new(), vec![syntax(text, &error)]),
    };
    let mut problems = Vec::new();
    let tables = match file.remove("webhook") {
        Some(Value::Array(tables)) => tables,
        None => Vec::new(),
        Some(_) => {
            problems.push("write each webhook as a table [[webhook]]".to_owned());
            Vec::new()
        }
    };
    problems.extend(
        file.keys().map(|name| format!("there is no setting {}; write [[webhook]] tables", name.escape_debug())),
    );
    let mut targets: Vec<Target> = Vec::new();
    for (number, table) in (1_usize..).zip(tables) {
        let Value::Table(table) = table else {
            problems.push(format!("webhook {number} is not a table"));
            continue;
        };
        let mut entry = Entry { place: format!("webhook {number}"), table, problems: &mut problems };
        if let Some(target) = entry.target() {
            targets.push(target);
        }
    }
    let mut seen = BTreeSet::new();
    for target in &targets {
        if !seen.insert(&target.name) {
            problems.push(format!("webhook {}: the name is given twice", target.name));
        }
    }
    (targets, problems)
}

/// What is wrong with the syntax, without what stands there.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let what = if error.message().contains("duplicate key") { "a key is given twice" } else { "this is not TOML" };
    format!("line {}: {what}", before.matches('\n').count().saturating_add(1))
}

/// One table, while it is read.
struct Entry<'a> {
    place: String,
    table: Table,
    problems: &'a mut Vec<String>,
}

impl Entry<'_> {
    fn target(&mut self) -> Option<Target> {
        let name: Option<Name> = self.one("name", str::parse);
        if let Some(name) = &name {
            self.place = format!("webhook {name}");
        }
        let url = self.one("url", url);
        let secrets = self.many("secrets", str::parse::<Secret>).unwrap_or_default();
        let topics: Option<BTreeSet<Topic>> = self.many("topics", word(Topic::ALL, Topic::name));
        let topics = topics.map_or_else(|| Topic::OF_IMAGES.to_vec(), |topics| topics.into_iter().collect());
        let labels = self.many("labels", lowercase);
        let verdicts = self.many("verdicts", word(Verdict::ALL, Verdict::name));
        let providers = self.many("providers", str::parse::<String>);
        let include = self.many("include", word(Private::ALL, Private::name)).unwrap_or_default();
        let unknown: Vec<String> = self.table.keys().map(|name| name.escape_debug().to_string()).collect();
        for name in unknown {
            self.problem(format_args!("there is no setting {name}"));
        }
        let target = Target::new(name?, url?, topics);
        Some(Target { secrets, labels, verdicts, providers, include, ..target })
    }

    fn problem(&mut self, problem: impl Display) {
        self.problems.push(format!("{}: {problem}", self.place));
    }

    /// A text that has to be there.
    fn one<T, E: Display>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        match self.table.remove(name) {
            Some(Value::String(text)) => self.parsed(name, &text, parse),
            Some(_) => {
                self.problem(format_args!("{name} is not a text"));
                None
            }
            None => {
                self.problem(format_args!("{name} is missing"));
                None
            }
        }
    }

    /// A list of texts, where there is one; an empty one would let nothing through and is refused.
    fn many<T, E: Display, C: FromIterator<T>>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<C> {
        let items = match self.table.remove(name)? {
            Value::Array(items) if !items.is_empty() => items,
            _ => {
                self.problem(format_args!("{name} is a list of one or more texts"));
                return None;
            }
        };
        let read = |item: Value| match item {
            Value::String(text) => self.parsed(name, &text, &parse),
            _ => {
                self.problem(format_args!("{name} holds something that is not a text"));
                None
            }
        };
        Some(items.into_iter().filter_map(read).collect())
    }

    fn parsed<T, E: Display>(&mut self, name: &str, text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        parse(text).map_err(|error| self.problem(format_args!("{name}: {error}"))).ok()
    }
}

fn url(text: &str) -> Result<SourceUrl, String> {
    SourceUrl::parse(text).map_err(|error| error.message().to_owned())
}

fn lowercase(text: &str) -> Result<String, Infallible> {
    Ok(text.to_lowercase())
}

/// One of the words that there are.
fn word<T: Copy, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = all.into_iter().find(|word| name(*word) == text);
        found.ok_or_else(|| format!("it is {}", all.map(name).join(", ")))
    }
}
