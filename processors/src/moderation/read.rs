//! A policy file read: everything that is wrong with it is named at once, and nothing that is wrong gets in.

mod conditions;
mod table;

use std::collections::{BTreeMap, HashSet};

use common::{
    analysis::{Feature, Features},
    error::{Error, Kind, Result},
    image::Digest,
    moderation::{FailRule, Fails, Verdict},
};
use toml::Value;

use self::table::Fields;
use super::{
    condition::Condition,
    policy::{Policy, Rule},
};

/// Bytes of a policy.
pub(super) const MOST_BYTES: usize = 256 * 1024;
const MOST_RULES: usize = 256;
/// Bytes of a rule's name, which stands in every event that it decides.
const MOST_NAME: usize = 100;
/// What a rule may want, from the mildest to the strictest.
const ACTIONS: [Verdict; 5] = [Verdict::Allow, Verdict::Review, Verdict::Blur, Verdict::Quarantine, Verdict::Reject];

/// Reads a whole policy.
pub(super) fn policy(text: &str) -> Result<Policy> {
    if text.len() > MOST_BYTES {
        return Err(invalid(&[format!("the policy has {} bytes; at most {MOST_BYTES} are read", text.len())]));
    }
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| invalid(&[format!("not TOML: {}", error.to_string().trim_end())]))?;
    let mut problems = Vec::new();
    let mut file = Fields::new("the policy", table, &mut problems);
    let listed = file.tables("rule");
    let undecided = file.table("undecided");
    let deny = file.table("deny");
    file.end();
    if listed.is_empty() {
        problems.push("the policy has no [[rule]]".to_owned());
    }
    if listed.len() > MOST_RULES {
        problems.push(format!("the policy has {} rules; at most {MOST_RULES} are read", listed.len()));
    }
    let rules: Vec<Rule> = listed
        .into_iter()
        .take(MOST_RULES)
        .enumerate()
        .map(|(place, table)| rule(place, table, &mut problems))
        .collect();
    contradictions(&rules, &mut problems);
    let (fails, review_undecided) = undecided.map(|table| fails(table, &mut problems)).unwrap_or_default();
    let deny = deny.map(|table| digests(table, &mut problems)).unwrap_or_default();
    if !problems.is_empty() {
        return Err(invalid(&problems));
    }
    let conditions = rules.iter().flat_map(|rule| rule.any.iter().chain(&rule.all)).map(Condition::feature);
    let places = rules.iter().flat_map(|rule| rule.regions.iter().copied());
    let features = Features::new(conditions.chain(places))?;
    let (version, label_patterns) = (version(text), conditions::label_patterns(&rules));
    Ok(Policy { version, rules, features, label_patterns, fails, review_undecided, deny })
}

fn invalid(problems: &[String]) -> Error {
    Error::new(Kind::InvalidRequest, problems.join("\n"))
}

fn rule(place: usize, table: toml::Table, problems: &mut Vec<String>) -> Rule {
    let name = table.get("name").and_then(Value::as_str).map(str::to_owned);
    let shown = name.as_ref().map_or_else(|| format!("rule {}", place + 1), |name| format!("rule \"{name}\""));
    let mut fields = Fields::new(&shown, table, problems);
    let name = fields.text("name").unwrap_or_default();
    let action = fields.text("action");
    let any = fields.tables("any");
    let all = fields.tables("all");
    let regions = fields.texts("regions");
    fields.end();
    let mut wrong = |problem: &str| problems.push(format!("{shown}: {problem}"));
    if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
        wrong(&format!("name is 1 to {MOST_NAME} bytes on one line"));
    }
    let known = |word: &String| ACTIONS.into_iter().find(|action| action.name() == word);
    let verdict = action.as_ref().and_then(known);
    if verdict.is_none() {
        let said =
            action.map_or_else(|| "action is missing".to_owned(), |word| format!("there is no action \"{word}\""));
        wrong(&format!("{said}; write {}", ACTIONS.map(Verdict::name).join(", ")));
    }
    if any.is_empty() && all.is_empty() {
        wrong("it has no condition; list some under any or all");
    }
    if !regions.is_empty() && verdict.is_some_and(|verdict| verdict != Verdict::Blur) {
        wrong("regions are for the action blur only");
    }
    let mut places = Vec::new();
    for word in regions {
        match word.as_str() {
            "faces" => places.push(Feature::Faces),
            "text" => places.push(Feature::Text),
            _ => wrong(&format!("there is no region \"{word}\"; write faces or text")),
        }
    }
    let mut conditions = |tables: Vec<toml::Table>| conditions::read(&shown, tables, problems);
    let (any, all) = (conditions(any), conditions(all));
    Rule { name, action: verdict.unwrap_or(Verdict::Allow), any, all, regions: places }
}

/// Two rules that nobody could mean both of.
fn contradictions(rules: &[Rule], problems: &mut Vec<String>) {
    let mut names = HashSet::new();
    let mut asked: BTreeMap<String, &Rule> = BTreeMap::new();
    for rule in rules {
        if !rule.name.is_empty() && !names.insert(&rule.name) {
            problems.push(format!("there are two rules of the name \"{}\"", rule.name));
        }
        let (any, all) = (sorted(&rule.any), sorted(&rule.all));
        if any.is_empty() && all.is_empty() {
            continue;
        }
        // One alternative is no alternative.
        let question = if any.len() <= 1 {
            sorted_texts([any, all].concat()).join(" and ")
        } else {
            format!("{} of {}", all.join(" and "), any.join(" or "))
        };
        match asked.get(&question) {
            Some(other) if other.action != rule.action => problems.push(format!(
                "rules \"{}\" and \"{}\" ask the same and want {} and {}",
                other.name,
                rule.name,
                other.action.name(),
                rule.action.name()
            )),
            Some(_) => {}
            None => drop(asked.insert(question, rule)),
        }
    }
}

fn sorted(conditions: &[Condition]) -> Vec<String> {
    sorted_texts(conditions.iter().map(|condition| format!("{condition:?}")).collect())
}

fn sorted_texts(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn fails(table: toml::Table, problems: &mut Vec<String>) -> (FailRule, bool) {
    let mut fields = Fields::new("[undecided]", table, problems);
    let default = fields.text("default");
    let consumers = fields.table("consumers").unwrap_or_default();
    let review = fields.truth("review").unwrap_or(false);
    fields.end();
    let mut way = |whose: &str, word: Option<&str>| match word {
        Some("open") => Some(Fails::Open),
        Some("closed") => Some(Fails::Closed),
        _ => {
            problems.push(format!("[undecided]: {whose} is open or closed"));
            None
        }
    };
    let default = default.and_then(|word| way("default", Some(&word))).unwrap_or_default();
    let named =
        |(name, value): (String, Value)| way(&format!("consumers.{name}"), value.as_str()).map(|way| (name, way));
    let consumers = consumers.into_iter().filter_map(named).collect();
    (FailRule { default, consumers }, review)
}

fn digests(table: toml::Table, problems: &mut Vec<String>) -> HashSet<Digest> {
    let mut fields = Fields::new("[deny]", table, problems);
    let digests = fields.texts("digests");
    fields.end();
    let mut read = |text: &String| match text.parse::<Digest>() {
        Ok(digest) => Some(digest),
        Err(error) => {
            problems.push(format!("[deny]: \"{}\": {}", text.escape_debug(), error.message()));
            None
        }
    };
    digests.iter().filter_map(&mut read).collect()
}

/// What tells one text from another: the first 12 hexadecimal digits of its digest.
pub(super) fn version(text: &str) -> String {
    Digest::of(text.as_bytes()).hex().chars().take(12).collect()
}

#[cfg(test)]
mod tests;
