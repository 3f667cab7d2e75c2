//! What moderation says about an image: the verdict, why, and who said so. How it comes to that is `processors`' business.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{image::Digest, request::ImageId};

/// Moderation's decision, from the mildest to the strictest, and `undecided`, which is never taken for `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Anybody may see it.
    Allow,
    /// A person has to look first.
    Review,
    /// Anybody may see a blurred form of it.
    Blur,
    /// Nobody but reviewers may see it; it may come back.
    Quarantine,
    /// Nobody but reviewers may see it.
    Reject,
    /// A rule that might have been stricter could not be evaluated.
    Undecided,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 6] =
        [Verdict::Allow, Verdict::Review, Verdict::Blur, Verdict::Quarantine, Verdict::Reject, Verdict::Undecided];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Review => "review",
            Verdict::Blur => "blur",
            Verdict::Quarantine => "quarantine",
            Verdict::Reject => "reject",
            Verdict::Undecided => "undecided",
        }
    }

    /// Whether the original is kept from everybody but reviewers.
    pub const fn holds(self) -> bool {
        matches!(self, Verdict::Quarantine | Verdict::Reject)
    }
}

/// What one rule of the policy saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The rule's name in the policy.
    pub rule: String,
    /// What the rule wants done.
    pub action: Verdict,
    /// Whether the rule applies; `null` where that could not be told.
    pub holds: Option<bool>,
    /// What it looked at, as in `adult is VERY_LIKELY`; never recognised text.
    pub because: String,
}

/// Whether an undecided image passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fails {
    /// As if it were allowed.
    Open,
    /// As if it were not.
    #[default]
    Closed,
}

/// Whether an undecided image passes, consumer by consumer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailRule {
    /// For whoever is not named.
    #[serde(default)]
    pub default: Fails,
    /// By the consumer's name, as that of a webhook.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumers: BTreeMap<String, Fails>,
}

impl FailRule {
    /// The rule for this consumer.
    pub fn of(&self, consumer: &str) -> Fails {
        self.consumers.get(consumer).copied().unwrap_or(self.default)
    }
}

/// What a policy on trial would have said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// The version of the policy on trial.
    pub policy: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Moderation's answer about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moderation {
    /// The image's id.
    #[schema(value_type = String)]
    pub id: ImageId,
    /// Of the original's bytes; absent where the image could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Where the image came from, as in the analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The decision.
    pub verdict: Verdict,
    /// The rule that decided; absent where none applied or a person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The rules that applied, and those that could not be evaluated.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// The policy's version: the first 12 hexadecimal digits of its text's SHA-256.
    pub policy: String,
    /// What a policy on trial says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// The key of the blurred picture, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blurred: Option<String>,
    /// What `undecided` means for whom.
    #[serde(default)]
    pub fails: FailRule,
    /// The person who decided; absent where the policy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// That person's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Moderation {
    /// Whether `consumer` may treat the image as allowed.
    pub fn passes(&self, consumer: &str) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::Undecided => self.fails.of(consumer) == Fails::Open,
            _ => false,
        }
    }
}

/// An image that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewItem {
    /// What the policy said.
    pub moderation: Moderation,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// One decision, as it stands in the audit log. It outlives the image's other records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The image's id.
    #[schema(value_type = String)]
    pub id: ImageId,
    /// The decision.
    pub verdict: Verdict,
    /// `policy`, or the reviewer's name.
    pub by: String,
    /// The rule that decided, where a policy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The reviewer's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy's version.
    pub policy: String,
}

impl AuditLine {
    /// What the log keeps of this decision.
    pub fn of(moderation: &Moderation, at: Timestamp) -> Self {
        Self {
            at,
            id: moderation.id.clone(),
            verdict: moderation.verdict,
            by: moderation.decided_by.clone().unwrap_or_else(|| "policy".to_owned()),
            rule: moderation.rule.clone(),
            reason: moderation.reason.clone(),
            policy: moderation.policy.clone(),
        }
    }
}
