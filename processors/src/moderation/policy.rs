//! What a policy is: rules with actions, what undecided images mean for whom, and a deny-list. `docs/policy.md` says how one is
//! written:
//!
//! ```toml
//! [[rule]]
//! name = "adult or violent"
//! action = "blur"                  # allow | review | blur | quarantine | reject
//! any = [                          # one of these, and with `all` every one of those as well
//!     { safe_search = "adult", at_least = "VERY_LIKELY" },
//!     { safe_search = "violence", at_least = "VERY_LIKELY" },
//! ]
//!
//! [[rule]]
//! name = "licence plates"
//! action = "blur"
//! regions = ["faces", "text"]      # only there, where the analysis says where that is; else the whole picture
//! all = [
//!     { label = "car", score = 0.6 },
//!     { text_matches = '\b[A-Z]{1,3}[- ]?\d{2,4}\b' },
//! ]
//!
//! [undecided]                      # where a rule could not be evaluated
//! default = "closed"               # open | closed
//! consumers = { shop = "open" }
//! review = true                    # a person looks at them
//!
//! [deny]                           # never looked at by any detector
//! digests = ["sha256:…"]
//! ```

use std::collections::HashSet;

use common::{
    analysis::{Feature, Features},
    error::Result,
    image::Digest,
    moderation::{FailRule, Verdict},
};
use regex::RegexSet;

use super::{condition::Condition, read};

/// The policy that is in force where the operator names none.
pub const DEFAULT: &str = include_str!("default.toml");

/// A policy that was read and found good. Cheap to ask, never changed.
#[derive(Debug)]
pub struct Policy {
    pub(super) version: String,
    pub(super) rules: Vec<Rule>,
    pub(super) features: Features,
    /// All patterns for labels; `None` where they are too large together, and each is looked for by itself.
    pub(super) label_patterns: Option<RegexSet>,
    pub(super) fails: FailRule,
    pub(super) review_undecided: bool,
    pub(super) deny: HashSet<Digest>,
}

/// An action and when it is taken.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    /// Never `undecided`.
    pub(super) action: Verdict,
    /// One of them has to hold, where there are any.
    pub(super) any: Vec<Condition>,
    /// Every one of them has to hold.
    pub(super) all: Vec<Condition>,
    /// Of `blur`: only these places; the whole picture where empty.
    pub(super) regions: Vec<Feature>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// `invalid-request` that names everything that is wrong with it, a line each.
    pub fn parse(text: &str) -> Result<Self> {
        read::policy(text)
    }

    /// The first 12 hexadecimal digits of the text's SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What its rules have to know of an image.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// What an undecided image means for whom.
    pub fn fails(&self) -> &FailRule {
        &self.fails
    }

    /// Whether undecided images wait for a person.
    pub fn reviews_undecided(&self) -> bool {
        self.review_undecided
    }

    /// Whether pictures with these bytes are not to be looked at.
    pub fn denies(&self, digest: Digest) -> bool {
        self.deny.contains(&digest)
    }

    /// How many rules it has.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// The lowest score that a rule about a label asks for; `None` where no rule is about labels.
    pub(super) fn lowest_label_score(&self) -> Option<f32> {
        let conditions = self.rules.iter().flat_map(|rule| rule.any.iter().chain(&rule.all));
        conditions.filter_map(Condition::label_score).min_by(f32::total_cmp)
    }
}
