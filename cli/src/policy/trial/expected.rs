//! What is expected of a policy, image by image: JSON lines or CSV, by id or by digest.

use std::{collections::BTreeMap, path::Path};

use common::{
    analysis::Analysis,
    error::{Error, Kind, Result},
    image::Digest,
    moderation::Verdict,
    request::ImageId,
};
use serde::Deserialize;

use crate::policy::unreadable;

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(alias = "expected")]
    verdict: String,
}

/// Verdicts by what names their image; taken out as the images are found.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<String, Verdict>);

impl Expected {
    /// Reads a file, of which every line that is wrong is named.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| unreadable(path, cause))?;
        Self::parse(&text).map_err(|problems| unreadable(path, problems))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let rows: Vec<(usize, Result<Row, String>)> = if text.trim_start().starts_with('{') {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            lines.map(|(at, line)| (at + 1, serde_json::from_str(line).map_err(|error| error.to_string()))).collect()
        } else {
            let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
            reader.deserialize().enumerate().map(|(at, row)| (at + 2, row.map_err(|error| error.to_string()))).collect()
        };
        let (mut expected, mut problems) = (BTreeMap::new(), Vec::new());
        for (line, row) in rows {
            match row.and_then(|row| entry(row).map_err(|error| error.message().to_owned())) {
                Ok((image, verdict)) => {
                    if expected.insert(image.clone(), verdict).is_some_and(|other| other != verdict) {
                        problems.push(format!("line {line}: {image} is expected to be two things"));
                    }
                }
                Err(problem) => problems.push(format!("line {line}: {problem}")),
            }
        }
        if expected.is_empty() && problems.is_empty() {
            problems.push("nothing is expected".to_owned());
        }
        if problems.is_empty() { Ok(Self(expected)) } else { Err(problems.join("\n")) }
    }

    /// What is expected of this analysis, by its id and by its digest.
    pub(super) fn take(&mut self, analysis: &Analysis) -> Vec<(String, Verdict)> {
        let names = [analysis.id.to_string(), analysis.digest.to_string()];
        names.into_iter().filter_map(|name| self.0.remove_entry(&name)).collect()
    }

    /// Whether everything was found.
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_empty()
    }

    /// What was not found.
    pub(super) fn rest(self) -> Vec<String> {
        self.0.into_keys().collect()
    }
}

fn entry(row: Row) -> Result<(String, Verdict)> {
    let wrong = |message: String| Error::new(Kind::InvalidRequest, message);
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let image = match (given(row.id), given(row.digest)) {
        (Some(id), None) => id.parse::<ImageId>()?.to_string(),
        (None, Some(digest)) => digest.parse::<Digest>()?.to_string(),
        _ => return Err(wrong("write either an id or a digest".to_owned())),
    };
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == row.verdict);
    verdict.map(|verdict| (image, verdict)).ok_or_else(|| {
        let known = Verdict::ALL.map(Verdict::name).join(", ");
        wrong(format!("there is no verdict \"{}\"; known are {known}", row.verdict.escape_debug()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "local-aaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn both_forms_say_the_same() {
        let digest = Digest::of(b"a picture");
        let lines =
            format!("{{\"id\":\"{ID}\",\"verdict\":\"blur\"}}\n\n{{\"digest\":\"{digest}\",\"expected\":\"allow\"}}\n");
        let table = format!("id,digest,verdict\n{ID},,blur\n,{digest},allow\n");
        let (lines, table) = (Expected::parse(&lines).unwrap(), Expected::parse(&table).unwrap());
        assert_eq!(lines.0, table.0);
        assert_eq!(lines.0.len(), 2);
    }

    #[test]
    fn every_line_that_is_wrong_is_named() {
        let problems =
            Expected::parse(&format!("id,verdict\n{ID},burn\nnobody,blur\n{ID},blur\n{ID},allow\n")).unwrap_err();
        for part in ["line 2: there is no verdict \"burn\"", "line 3", "line 5", "two things"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
        assert!(Expected::parse("id,verdict\n").is_err());
        assert!(Expected::parse("{\"verdict\":\"blur\"}").is_err());
        assert!(Expected::parse("{\"id\":1}").is_err());
    }
}
