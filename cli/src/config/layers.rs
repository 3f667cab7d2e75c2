//! One value from three layers: a flag, a variable, the settings file; and what was wrong in any of them.

use std::{fmt::Display, path::PathBuf};

use common::error::{Error, Kind, Result};

use super::{Environment, Flags};

/// The three layers and what was wrong in them.
pub(super) struct Layers<'a> {
    pub(super) environment: &'a Environment,
    file: toml::Table,
    problems: Vec<String>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(flags: &Flags, environment: &'a Environment) -> Result<Self> {
        let named = flags.config.clone().or_else(|| environment.get("CROSSLENS_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from("crosslens.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => text.parse().map_err(|error| invalid(format!("{}: {error}", path.display())))?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => toml::Table::new(),
            Err(error) => return Err(invalid(format!("{}: {error}", path.display()))),
        };
        Ok(Self { environment, file, problems: Vec::new() })
    }

    /// A single value, from the first layer that has it.
    pub(super) fn one<T, E: Display>(
        &mut self,
        name: &str,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let flags = flag.map(|text| vec![text.to_owned()]).unwrap_or_default();
        self.many(name, &flags, parse).pop()
    }

    /// Several values: a repeated flag, a comma-separated variable, an array in the file.
    pub(super) fn many<T, E: Display>(
        &mut self,
        name: &str,
        flags: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let variable = format!("CROSSLENS_{}", name.to_uppercase());
        let file = self.file.remove(name);
        let (origin, texts) = if !flags.is_empty() {
            (format!("--{}", name.replace('_', "-")), flags.to_vec())
        } else if let Some(value) = self.environment.get(&variable) {
            (variable, value.split(',').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
        } else {
            let items = match file {
                None => Vec::new(),
                Some(toml::Value::Array(items)) => items,
                Some(item) => vec![item],
            };
            (format!("{name} in crosslens.toml"), items.iter().map(plain).collect())
        };
        texts.iter().filter_map(|text| self.parsed(&origin, text, &parse)).collect()
    }

    pub(super) fn parsed<T, E: Display>(
        &mut self,
        origin: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text).map_err(|error| self.problems.push(format!("{origin}: {error}"))).ok()
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Names that another command understands.
    pub(super) fn known(&mut self, names: &[&str]) {
        for name in names.iter().chain(&["api_keys"]) {
            self.file.remove(*name);
        }
    }

    pub(super) fn settle<T>(mut self, settings: T) -> Result<T> {
        self.problems
            .extend(self.file.keys().map(|name| format!("{name} in crosslens.toml: there is no such setting")));
        if self.problems.is_empty() { Ok(settings) } else { Err(invalid(self.problems.join("\n"))) }
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}
