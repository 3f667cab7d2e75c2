//! The processor: from an analysis to its verdict, with a blurred picture and a place on the review list where those are due.

use std::sync::Arc;

use async_trait::async_trait;
use common::{
    analysis::{Analysis, Findings},
    error::{Kind, Result},
    event::{Event, Failure, Payload, Topic},
    intake::Intake,
    moderation::{AuditLine, Evidence, FailRule, Moderation, ReviewItem, Shadow, Verdict},
    ports::{Archive, Fetch, Settlement, State, Store},
    request::Cloud,
};
use jiff::Timestamp;
use metrics::counter;

use super::{
    decision::Decision,
    labels::with_all_labels,
    pictures::{Made, Pictures},
    policies::Policies,
    policy::Policy,
};
use crate::Processor;

/// Its name among the consumers.
const NAME: &str = "moderation";
/// What tells a decision that was made again, once pending features had come, from the first one.
const AGAIN: &str = "rest";

/// Decides about every image that was labelled or given up.
#[derive(Clone)]
pub struct Moderator {
    cloud: Cloud,
    policies: Policies,
    pictures: Pictures,
    archive: Arc<dyn Archive>,
}

impl Moderator {
    /// Decides by these policies; reads originals by `fetch`, which opens nothing but our buckets, and keeps what it makes in `store`.
    pub fn new(
        cloud: Cloud,
        policies: Policies,
        intake: Intake,
        fetch: Arc<dyn Fetch>,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
    ) -> Self {
        Self { cloud, policies, pictures: Pictures { intake, fetch, store }, archive }
    }

    async fn labelled(&self, event: &Event, analysis: &Analysis) -> Result<Settlement> {
        let (analysis, again) = match &analysis.part_of {
            None => (self.with_rest(analysis.clone()).await?, None),
            Some(whole) => match self.archive.state(whole).await? {
                Some(State::Done(whole)) => (with(*whole, analysis.findings.clone()), Some(AGAIN)),
                // Erased meanwhile: there is nothing left to decide about.
                _ => return Ok(Settlement::default()),
            },
        };
        let (active, shadow) = (self.policies.active(), self.policies.shadow());
        let judging: Vec<&Policy> = [Some(&active), shadow.as_ref()].into_iter().flatten().map(Arc::as_ref).collect();
        let analysis = with_all_labels(self.archive.as_ref(), analysis, &judging).await?;
        let decision = active.decide(&analysis.findings);
        let trial = shadow.map(|shadow| tried(&shadow, &analysis.findings, &decision));
        let (decision, blurred) = self.carried_out(decision, &analysis, &active).await?;
        let mut moderation = moderation(&analysis.id.clone(), &active, decision);
        moderation.digest = Some(analysis.digest);
        moderation.source = analysis.source;
        moderation.shadow = trial;
        moderation.blurred = blurred;
        Ok(self.settled(event, moderation, again, &active))
    }

    /// The blurred picture, the preview, and what the verdict is once they were tried.
    async fn carried_out(
        &self,
        mut decision: Decision,
        analysis: &Analysis,
        policy: &Policy,
    ) -> Result<(Decision, Option<String>)> {
        let mut blurred = None;
        if decision.verdict == Verdict::Blur {
            match self.pictures.blur(analysis, &decision, policy).await? {
                Made::There(key) => blurred = Some(key),
                Made::Nothing(None) => {}
                Made::Nothing(Some(why)) => decision.evidence.push(about(&decision, Some(true), why.to_owned())),
                Made::Refused(why) => {
                    let why = format!("it cannot be blurred: {why}");
                    decision.evidence.push(about(&decision, None, why));
                    decision.verdict = Verdict::Undecided;
                }
            }
        }
        if waits(decision.verdict, policy) {
            self.pictures.preview(analysis, &decision, policy).await?;
        }
        Ok((decision, blurred))
    }

    fn failed(&self, event: &Event, failure: &Failure) -> Settlement {
        let active = self.policies.active();
        let (verdict, rule, holds) = if failure.problem == Kind::Denied.slug() {
            (Verdict::Reject, "deny-list", Some(true))
        } else {
            (Verdict::Undecided, "readable", None)
        };
        let because = match verdict {
            Verdict::Reject => "the digest is on the deny-list".to_owned(),
            _ => format!("the image was given up: {}", failure.problem),
        };
        let evidence = vec![Evidence { rule: rule.to_owned(), action: verdict, holds, because }];
        let rule = if verdict == Verdict::Reject { Some(rule.to_owned()) } else { None };
        let decision = Decision { verdict, rule, evidence, regions: Vec::new() };
        let mut moderation = moderation(&failure.id, &active, decision);
        moderation.source = failure.source.clone();
        self.settled(event, moderation, None, &active)
    }

    fn settled(&self, event: &Event, moderation: Moderation, again: Option<&str>, policy: &Policy) -> Settlement {
        counter!("crosslens_verdicts_total", "verdict" => moderation.verdict.name()).increment(1);
        let audit = vec![AuditLine::of(&moderation, Timestamp::now())];
        let events = vec![Event::moderated(self.cloud, &moderation, again, event.traceparent.clone())];
        let waits = waits(moderation.verdict, policy);
        let review = waits.then_some(ReviewItem { moderation, since: event.time });
        Settlement { events, audit, review }
    }

    /// With what was pending when the event was made, where it has come since: events may come in any order.
    async fn with_rest(&self, analysis: Analysis) -> Result<Analysis> {
        if analysis.findings.pending.is_empty() {
            return Ok(analysis);
        }
        Ok(match self.archive.state(&analysis.id.rest()).await? {
            Some(State::Done(rest)) => with(analysis, rest.findings),
            _ => analysis,
        })
    }
}

#[async_trait]
impl Processor for Moderator {
    fn name(&self) -> &str {
        NAME
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::ImageLabelled, Topic::ImageFailed]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        match &event.data {
            Payload::Labelled(analysis) => self.labelled(event, analysis).await,
            Payload::Failed(failure) => Ok(self.failed(event, failure)),
            _ => Ok(Settlement::default()),
        }
    }
}

fn with(mut analysis: Analysis, rest: Findings) -> Analysis {
    analysis.findings.complete(rest);
    analysis
}

/// Whether a person has to look.
fn waits(verdict: Verdict, policy: &Policy) -> bool {
    verdict == Verdict::Review || (verdict == Verdict::Undecided && policy.reviews_undecided())
}

/// What is to be said about the rule that decided.
fn about(decision: &Decision, holds: Option<bool>, because: String) -> Evidence {
    Evidence { rule: decision.rule.clone().unwrap_or_default(), action: decision.verdict, holds, because }
}

fn tried(shadow: &Policy, findings: &Findings, decision: &Decision) -> Shadow {
    let trial = shadow.decide(findings);
    let agrees = if trial.verdict == decision.verdict { "true" } else { "false" };
    counter!("crosslens_shadow_total", "agrees" => agrees).increment(1);
    Shadow { policy: shadow.version().to_owned(), verdict: trial.verdict, rule: trial.rule }
}

fn moderation(id: &common::request::ImageId, policy: &Policy, decision: Decision) -> Moderation {
    // Only what is in doubt may pass: beside a doubt there may be a rule that holds for certain.
    let held = |evidence: &Evidence| evidence.holds == Some(true) && evidence.action > Verdict::Allow;
    let is_held = decision.verdict == Verdict::Undecided && decision.evidence.iter().any(held);
    Moderation {
        id: id.clone(),
        digest: None,
        source: None,
        verdict: decision.verdict,
        rule: decision.rule,
        evidence: decision.evidence,
        policy: policy.version().to_owned(),
        shadow: None,
        blurred: None,
        fails: if is_held { FailRule::default() } else { policy.fails().clone() },
        decided_by: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests;
