//! When a condition of a rule holds: yes, no, or nobody can tell. What is not known is never taken for "no".

use common::analysis::{Feature, Findings, Label, Likelihood, SafeSearch};
use regex::{Regex, RegexSet};

/// Something that a rule asks of an image.
#[derive(Debug)]
pub(super) enum Condition {
    /// At least this likely; never `UNKNOWN`.
    SafeSearch { category: Category, at_least: Likelihood },
    /// A label of this name, whatever its case, with at least this score.
    Label { name: String, score: f32 },
    /// A label that the pattern is found in, with at least this score.
    LabelMatches { pattern: Regex, score: f32 },
    /// At least so many faces.
    Faces(usize),
    /// Writing that the pattern is found in.
    TextMatches(Regex),
    /// Somebody famous of this name, whatever its case, with at least this score.
    Celebrity { name: String, score: f32 },
}

/// What safe search tells the likelihood of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    Adult,
    Violence,
    Racy,
    Medical,
    Spoof,
}

impl Category {
    pub(super) const ALL: [Category; 5] =
        [Category::Adult, Category::Violence, Category::Racy, Category::Medical, Category::Spoof];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Category::Adult => "adult",
            Category::Violence => "violence",
            Category::Racy => "racy",
            Category::Medical => "medical",
            Category::Spoof => "spoof",
        }
    }

    const fn of(self, safe: &SafeSearch) -> Likelihood {
        match self {
            Category::Adult => safe.adult,
            Category::Violence => safe.violence,
            Category::Racy => safe.racy,
            Category::Medical => safe.medical,
            Category::Spoof => safe.spoof,
        }
    }
}

/// Likelihoods that a rule may ask for, in Google's words.
pub(super) const LIKELIHOODS: [(&str, Likelihood); 5] = [
    ("VERY_UNLIKELY", Likelihood::VeryUnlikely),
    ("UNLIKELY", Likelihood::Unlikely),
    ("POSSIBLE", Likelihood::Possible),
    ("LIKELY", Likelihood::Likely),
    ("VERY_LIKELY", Likelihood::VeryLikely),
];

/// What conditions look at.
pub(super) struct Seen<'a> {
    pub(super) findings: &'a Findings,
    /// The labels that at least one of the policy's patterns is found in: most labels are passed over once for all patterns.
    matched: Vec<&'a Label>,
}

impl<'a> Seen<'a> {
    /// What was found, before these patterns for labels; `None` where they are not known together.
    pub(super) fn of(findings: &'a Findings, patterns: Option<&RegexSet>) -> Self {
        let labels = findings.labels.iter().flatten();
        let matched = match patterns {
            Some(patterns) if patterns.is_empty() => Vec::new(),
            Some(patterns) => labels.filter(|label| patterns.is_match(&label.description)).collect(),
            None => labels.collect(),
        };
        Self { findings, matched }
    }
}

impl Condition {
    /// What has to be known of an image.
    pub(super) const fn feature(&self) -> Feature {
        match self {
            Condition::SafeSearch { .. } => Feature::SafeSearch,
            Condition::Label { .. } | Condition::LabelMatches { .. } => Feature::Labels,
            Condition::Faces(_) => Feature::Faces,
            Condition::TextMatches(_) => Feature::Text,
            Condition::Celebrity { .. } => Feature::Celebrities,
        }
    }

    pub(super) const fn label_score(&self) -> Option<f32> {
        match self {
            Condition::Label { score, .. } | Condition::LabelMatches { score, .. } => Some(*score),
            _ => None,
        }
    }

    /// Whether it holds; `None` where that cannot be told.
    pub(super) fn holds(&self, seen: &Seen<'_>) -> Option<bool> {
        let findings = seen.findings;
        let held = match self {
            Condition::SafeSearch { category, at_least } => {
                match findings.safe_search.as_ref().map(|safe| category.of(safe)) {
                    None | Some(Likelihood::Unknown) => return None,
                    Some(likelihood) => likelihood >= *at_least,
                }
            }
            Condition::Label { .. } | Condition::LabelMatches { .. } => self.label(seen).is_some(),
            Condition::Faces(least) => findings.faces.as_ref().is_some_and(|faces| faces.len() >= *least),
            Condition::TextMatches(pattern) => {
                findings.text.as_ref().is_some_and(|text| pattern.is_match(&text.content))
            }
            Condition::Celebrity { name, score } => {
                let mut people = findings.celebrities.iter().flatten();
                people.any(|person| reaches(person.score, *score) && same(name, &person.description))
            }
        };
        // What was found is enough for a yes; a no needs that all was looked at.
        if held { Some(true) } else { told(self.feature(), findings).then_some(false) }
    }

    /// What it looked at, for a person: never recognised text, never whose face it is.
    pub(super) fn because(&self, seen: &Seen<'_>) -> String {
        let (feature, findings) = (self.feature(), seen.findings);
        if self.holds(seen).is_none() {
            return match (self, &findings.safe_search) {
                (Condition::SafeSearch { category, .. }, Some(_)) => format!("{} is UNKNOWN", category.name()),
                _ if findings.pending.contains(&feature) => format!("{} is not there yet", feature.name()),
                _ if findings.unsupported.contains(&feature) => format!("{} cannot be told", feature.name()),
                _ => format!("{} was not asked for", feature.name()),
            };
        }
        match self {
            Condition::SafeSearch { category, .. } => {
                let likelihood = findings.safe_search.as_ref().map(|safe| category.of(safe));
                let word =
                    LIKELIHOODS.iter().find(|(_, known)| Some(*known) == likelihood).map_or("", |(word, _)| word);
                format!("{} is {word}", category.name())
            }
            Condition::Label { name, score } => match self.label(seen) {
                Some(label) => format!("label {} {:.2}", label.description, label.score),
                None => format!("no label {name} of {score} or more"),
            },
            Condition::LabelMatches { pattern, score } => match self.label(seen) {
                Some(label) => format!("label {} {:.2}", label.description, label.score),
                None => format!("no label like {pattern} of {score} or more"),
            },
            Condition::Faces(_) => match findings.faces.as_ref().map_or(0, Vec::len) {
                1 => "1 face".to_owned(),
                count => format!("{count} faces"),
            },
            Condition::TextMatches(pattern) => {
                let found = if self.holds(seen) == Some(true) { "is" } else { "is not" };
                format!("{pattern} {found} in the text")
            }
            Condition::Celebrity { .. } => {
                let there = if self.holds(seen) == Some(true) { "is" } else { "is not" };
                format!("the celebrity of the rule {there} there")
            }
        }
    }

    fn label<'a>(&self, seen: &Seen<'a>) -> Option<&'a Label> {
        match self {
            Condition::Label { name, score } => {
                let mut labels = seen.findings.labels.iter().flatten();
                labels.find(|label| reaches(label.score, *score) && same(name, &label.description))
            }
            Condition::LabelMatches { pattern, score } => {
                let is_like = |label: &&&Label| reaches(label.score, *score) && pattern.is_match(&label.description);
                seen.matched.iter().find(is_like).copied()
            }
            _ => None,
        }
    }
}

/// Whether everything that is to be found of a feature was found.
pub(super) fn told(feature: Feature, findings: &Findings) -> bool {
    let there = match feature {
        Feature::Celebrities => findings.celebrities.is_some(),
        Feature::Faces => findings.faces.is_some(),
        Feature::Labels => findings.labels.is_some(),
        Feature::Landmarks => findings.landmarks.is_some(),
        Feature::Properties => findings.properties.is_some(),
        Feature::SafeSearch => findings.safe_search.is_some(),
        Feature::Text => findings.text.is_some(),
    };
    there && !findings.unsupported.contains(&feature) && !findings.pending.contains(&feature)
}

/// A score that is no number keeps nothing out.
fn reaches(score: f32, least: f32) -> bool {
    score.is_nan() || score >= least
}

/// `name` is in lower case.
fn same(name: &str, other: &str) -> bool {
    if other.is_ascii() { name.eq_ignore_ascii_case(other) } else { other.to_lowercase() == name }
}
