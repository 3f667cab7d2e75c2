//! The processor: from an analysis to its verdict, with a blurred picture and a place on the review list where those are due.

use std::sync::Arc;

use async_trait::async_trait;
use common::{
    analysis::{Analysis, Features, Findings},
    error::{Kind, Result},
    event::{Event, Failure, Payload, Topic},
    intake::Intake,
    moderation::{AuditLine, Evidence, Moderation, ReviewItem, Shadow, Verdict},
    ports::{Archive, Fetch, Settlement, State, Store},
    request::Cloud,
};
use jiff::Timestamp;
use metrics::counter;

use super::{
    decision::Decision,
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
        let analysis = self.with_all_labels(analysis, &[Some(&active), shadow.as_ref()]).await?;
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
        let rule = (verdict == Verdict::Reject).then(|| rule.to_owned());
        let decision = Decision { verdict, rule, evidence, regions: Vec::new() };
        let mut moderation = moderation(&failure.id, &active, decision);
        moderation.source = failure.source.clone();
        self.settled(event, moderation, None, &active)
    }

    fn settled(&self, event: &Event, moderation: Moderation, again: Option<&str>, policy: &Policy) -> Settlement {
        counter!("crosslens_verdicts_total", "verdict" => moderation.verdict.name()).increment(1);
        let audit = vec![AuditLine::of(&moderation, Timestamp::now())];
        let events = vec![Event::moderated(self.cloud, &moderation, again, event.traceparent.clone())];
        let review = waits(moderation.verdict, policy).then(|| ReviewItem { moderation, since: event.time });
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

    /// With all the labels that the detector gave, where a rule may be about one of those that the caller did not want to be told:
    /// asking for one label only is no way around moderation.
    async fn with_all_labels(&self, mut analysis: Analysis, policies: &[Option<&Arc<Policy>>]) -> Result<Analysis> {
        let lowest = policies.iter().flatten().filter_map(|policy| policy.lowest_label_score()).min_by(f32::total_cmp);
        let last = analysis.findings.labels.as_ref().and_then(|labels| labels.last()).map(|label| label.score);
        let (Some(lowest), Some(last)) = (lowest, last) else { return Ok(analysis) };
        let features = asked(&analysis.findings);
        if last < lowest || features.is_none() {
            return Ok(analysis);
        }
        if let Some(features) = features
            && let Some(kept) = self.archive.reusable(analysis.digest, &features, Some(&analysis.detector)).await?
            && kept.findings.labels.as_ref().map(Vec::len) > analysis.findings.labels.as_ref().map(Vec::len)
        {
            analysis.findings.labels = kept.findings.labels;
        }
        Ok(analysis)
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
            Payload::Moderated(_) | Payload::Translated(_) => Ok(Settlement::default()),
        }
    }
}

fn with(mut analysis: Analysis, rest: Findings) -> Analysis {
    analysis.findings.complete(rest);
    analysis
}

/// What was asked, as what was answered tells.
fn asked(findings: &Findings) -> Option<Features> {
    use common::analysis::Feature;
    let silent = |feature: Feature| {
        Features::new([feature]).is_ok_and(|one| findings.silent_about(&one).is_some())
            && !findings.pending.contains(&feature)
    };
    Features::new(Feature::ALL.into_iter().filter(|feature| !silent(*feature))).ok()
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
        fails: policy.fails().clone(),
        decided_by: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests;
