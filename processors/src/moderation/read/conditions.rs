//! The conditions of a rule: each names one thing to look at. Patterns are linear in what they are matched with by their engine,
//! and bounded in size here, so that no policy can make moderation slow.

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::table::Fields;
use crate::moderation::{
    condition::{Category, Condition, LIKELIHOODS},
    policy::Rule,
};

const MOST_CONDITIONS: usize = 64;
/// Bytes of a pattern or a name.
const MOST_TEXT: usize = 1000;
/// Bytes of a compiled pattern, and of the states that its search remembers.
const MOST_COMPILED: usize = 256 * 1024;
/// Bytes of all compiled patterns together, and of the states that their search remembers.
const MOST_TOGETHER: usize = 4 * 1024 * 1024;
/// How deep groups stand in groups.
const MOST_NESTED: u32 = 50;
/// What a condition may look at; exactly one of them.
const SUBJECTS: [&str; 6] = ["safe_search", "label", "label_matches", "faces", "text_matches", "celebrity"];

/// Those conditions that are good; what is wrong with the others is among the problems.
pub(super) fn read(rule: &str, tables: Vec<toml::Table>, problems: &mut Vec<String>) -> Vec<Condition> {
    if tables.len() > MOST_CONDITIONS {
        problems.push(format!("{rule}: {} conditions; at most {MOST_CONDITIONS} are read", tables.len()));
    }
    tables.into_iter().take(MOST_CONDITIONS).filter_map(|table| condition(rule, table, problems)).collect()
}

fn condition(rule: &str, table: toml::Table, problems: &mut Vec<String>) -> Option<Condition> {
    let before = problems.len();
    let mut fields = Fields::new(rule, table, problems);
    let subjects: Vec<&str> = SUBJECTS.into_iter().filter(|name| fields.has(name)).collect();
    let [subject] = subjects.as_slice() else {
        let said = if subjects.is_empty() {
            "a condition that looks at nothing".to_owned()
        } else {
            format!("a condition that looks at {}", subjects.join(" and "))
        };
        fields.problem(&format!("{said}; write one of {}", SUBJECTS.join(", ")));
        return None;
    };
    let read = match *subject {
        "safe_search" => safe_search(&mut fields),
        "label" => named(&mut fields, "label").map(|(name, score)| Condition::Label { name, score }),
        "label_matches" => {
            let (pattern, score) = (pattern(&mut fields, "label_matches"), score(&mut fields));
            pattern.map(|pattern| Condition::LabelMatches { pattern, score })
        }
        "faces" => faces(&mut fields),
        "text_matches" => pattern(&mut fields, "text_matches").map(Condition::TextMatches),
        _ => named(&mut fields, "celebrity").map(|(name, score)| Condition::Celebrity { name, score }),
    };
    fields.end();
    read.filter(|_| problems.len() == before)
}

/// The patterns for labels of all rules, to be looked for together.
pub(super) fn label_patterns(rules: &[Rule]) -> Option<RegexSet> {
    let conditions = rules.iter().flat_map(|rule| rule.any.iter().chain(&rule.all));
    let patterns = conditions.filter_map(|condition| match condition {
        Condition::LabelMatches { pattern, .. } => Some(pattern.as_str()),
        _ => None,
    });
    let together = RegexSetBuilder::new(patterns)
        .case_insensitive(true)
        .size_limit(MOST_TOGETHER)
        .dfa_size_limit(MOST_TOGETHER)
        .nest_limit(MOST_NESTED)
        .build();
    together.ok()
}

fn safe_search(fields: &mut Fields<'_>) -> Option<Condition> {
    let (word, least) = (fields.text("safe_search"), fields.text("at_least"));
    let category = Category::ALL.into_iter().find(|category| Some(category.name()) == word.as_deref());
    if category.is_none() {
        let known = Category::ALL.map(Category::name).join(", ");
        fields.problem(&format!("safe_search \"{}\" is not one of {known}", word.unwrap_or_default().escape_debug()));
    }
    let at_least =
        LIKELIHOODS.iter().find(|(name, _)| Some(*name) == least.as_deref()).map(|(_, likelihood)| *likelihood);
    if at_least.is_none() {
        let known = LIKELIHOODS.map(|(name, _)| name).join(", ");
        fields.problem(&format!("at_least \"{}\" is not one of {known}", least.unwrap_or_default().escape_debug()));
    }
    Some(Condition::SafeSearch { category: category?, at_least: at_least? })
}

fn named(fields: &mut Fields<'_>, field: &'static str) -> Option<(String, f32)> {
    let (name, score) = (fields.text(field), score(fields));
    let name = name?.trim().to_lowercase();
    if name.is_empty() || name.len() > MOST_TEXT {
        fields.problem(&format!("{field} is a name of 1 to {MOST_TEXT} bytes"));
        return None;
    }
    Some((name, score))
}

/// However sure the detector is, where nothing is said.
fn score(fields: &mut Fields<'_>) -> f32 {
    let score = fields.number("score").unwrap_or(0.0);
    if !(0.0..=1.0).contains(&score) {
        fields.problem(&format!("score {score} is not within 0 to 1"));
    }
    score as f32
}

fn faces(fields: &mut Fields<'_>) -> Option<Condition> {
    let least = usize::try_from(fields.whole("faces")?).ok().filter(|least| (1..=1000).contains(least));
    if least.is_none() {
        fields.problem("faces is how many there are at least, 1 to 1000");
    }
    least.map(Condition::Faces)
}

fn pattern(fields: &mut Fields<'_>, field: &'static str) -> Option<Regex> {
    let text = fields.text(field)?;
    if text.is_empty() || text.len() > MOST_TEXT {
        fields.problem(&format!("{field} is a pattern of 1 to {MOST_TEXT} bytes"));
        return None;
    }
    let built = RegexBuilder::new(&text)
        .case_insensitive(true)
        .size_limit(MOST_COMPILED)
        .dfa_size_limit(MOST_COMPILED)
        .nest_limit(MOST_NESTED)
        .build();
    match built {
        Ok(pattern) => Some(pattern),
        Err(regex::Error::CompiledTooBig(_)) => {
            fields.problem(&format!("{field} is a pattern that grows too large"));
            None
        }
        Err(error) => {
            // The last line says what; those before it draw where.
            let said = error.to_string();
            fields.problem(&format!("{field}: {}", said.lines().last().unwrap_or_default().trim()));
            None
        }
    }
}
