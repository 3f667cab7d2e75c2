//! A policy applied to what was found: the strictest action wins, and what cannot be told is never taken for "no".

use common::{
    analysis::{BoundingBox, Feature, Findings},
    moderation::{Evidence, Verdict},
};

use super::{
    condition::{Condition, Seen, told},
    policy::{Policy, Rule},
};

/// What a policy says about an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The decision.
    pub verdict: Verdict,
    /// The rule that decided; `None` where none applied.
    pub rule: Option<String>,
    /// The rules that applied, and those that could not be evaluated.
    pub evidence: Vec<Evidence>,
    /// What is to be blurred where the verdict is that; the whole picture where empty.
    pub regions: Vec<BoundingBox>,
}

impl Policy {
    /// Applies the policy. Pure, and a matter of microseconds.
    ///
    /// The strictest action of the rules that hold wins. A rule that cannot be evaluated and would be stricter makes the image
    /// undecided; one that would not changes nothing.
    pub fn decide(&self, findings: &Findings) -> Decision {
        let mut certain: Option<&Rule> = None;
        let mut unclear: Option<&Rule> = None;
        let (mut evidence, mut blurring) = (Vec::new(), Vec::new());
        let seen = Seen::of(findings, self.label_patterns.as_ref());
        for rule in &self.rules {
            let holds = rule.holds(&seen);
            let strictest = match holds {
                Some(false) => continue,
                Some(true) => &mut certain,
                None => &mut unclear,
            };
            // Of two that are equally strict the first in the file is named.
            if strictest.is_none_or(|known| rule.action > known.action) {
                *strictest = Some(rule);
            }
            if holds == Some(true) && rule.action == Verdict::Blur {
                blurring.push(rule);
            }
            evidence.push(rule.evidence(holds, &seen));
        }
        let held = certain.map_or(Verdict::Allow, |rule| rule.action);
        let (verdict, rule) = match unclear.filter(|rule| rule.action > held) {
            Some(unclear) => (Verdict::Undecided, Some(unclear)),
            None => (held, certain),
        };
        let regions = if verdict == Verdict::Blur { regions(&blurring, findings) } else { Vec::new() };
        Decision { verdict, rule: rule.map(|rule| rule.name.clone()), evidence, regions }
    }

    /// What every rule saw, those that do not apply included, in their order.
    pub fn explain(&self, findings: &Findings) -> Vec<Evidence> {
        let seen = Seen::of(findings, self.label_patterns.as_ref());
        self.rules.iter().map(|rule| rule.evidence(rule.holds(&seen), &seen)).collect()
    }
}

impl Rule {
    fn holds(&self, seen: &Seen<'_>) -> Option<bool> {
        let any = self.any.iter().map(|condition| condition.holds(seen)).fold(Some(self.any.is_empty()), or);
        let all = self.all.iter().map(|condition| condition.holds(seen)).fold(Some(true), and);
        and(any, all)
    }

    /// Those of its conditions that speak for how it came out.
    fn evidence(&self, holds: Option<bool>, seen: &Seen<'_>) -> Evidence {
        let telling = |condition: &&Condition| condition.holds(seen) == holds;
        let reasons: Vec<String> =
            self.any.iter().chain(&self.all).filter(telling).map(|condition| condition.because(seen)).collect();
        Evidence { rule: self.name.clone(), action: self.action, holds, because: reasons.join("; ") }
    }
}

/// Kleene's logic: what is known may decide although the rest is not.
fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Where to blur: the places that all these rules name together. The whole picture (none) as soon as one of them wants it, or
/// the analysis does not say where one of the places is.
fn regions(rules: &[&Rule], findings: &Findings) -> Vec<BoundingBox> {
    let mut boxes = Vec::new();
    for rule in rules {
        if rule.regions.is_empty() || !rule.regions.iter().all(|feature| is_located(*feature, findings)) {
            return Vec::new();
        }
        if rule.regions.contains(&Feature::Faces) {
            boxes.extend(findings.faces.iter().flatten().map(|face| face.bounds));
        }
        if rule.regions.contains(&Feature::Text) {
            boxes.extend(findings.text.iter().flat_map(|text| text.blocks.iter().copied()));
        }
    }
    boxes
}

/// Writing that was read may come without saying where it stands.
fn is_located(feature: Feature, findings: &Findings) -> bool {
    let lost = |text: &common::analysis::Text| text.blocks.is_empty() && !text.content.is_empty();
    told(feature, findings) && (feature != Feature::Text || !findings.text.as_ref().is_some_and(lost))
}

#[cfg(test)]
mod tests;
