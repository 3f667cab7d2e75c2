//! `crosslens policy test`: a policy decides anew about stored analyses, and that is compared with what people expect of it.
//! Nobody is paid: what was found before is all that is looked at.

mod expected;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use common::{analysis::Analysis, error::Result, moderation::Verdict, ports::Index};
use local::Local;
use processors::moderation::{Policy, with_all_labels};
use serde::Serialize;

use self::expected::Expected;
use super::{json, print_all, read};
use crate::{config::Settings, lines::printable};

/// Analyses read at a time.
const PAGE: usize = 100;

/// Tries a policy.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// What is expected: JSON lines or CSV with `id` or `digest`, and `verdict`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Writes the result as JSON
    #[arg(long)]
    json: bool,
}

/// How often a verdict was given and meant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Score {
    verdict: Verdict,
    /// Images that should have it.
    expected: usize,
    /// Images that got it.
    given: usize,
    /// Images that should have it and got it.
    right: usize,
    /// Of those that got it the share that should; absent where none got it.
    precision: Option<f64>,
    /// Of those that should have it the share that got it; absent where none should.
    recall: Option<f64>,
}

/// One image about which two sides differ.
#[derive(Debug, Serialize)]
struct Differs {
    image: String,
    from: Verdict,
    to: Verdict,
    rule: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    policy: String,
    in_force: String,
    verdicts: Vec<Score>,
    /// From what was expected to what the policy says.
    wrong: Vec<Differs>,
    /// From what the policy in force says to what this one says.
    changed: Vec<Differs>,
    /// Images that nothing is stored about.
    missing: Vec<String>,
}

/// 0 where everything is as expected, otherwise 1.
pub(super) async fn run(args: TestArgs, settings: &Settings) -> Result<ExitCode> {
    let (policy, standing) = (read(settings.policy.as_ref())?, read(settings.standing_policy.as_ref())?);
    let mut expected = Expected::read(&args.file)?;
    let local = Local::open_existing(&settings.data)?;
    let mut report =
        Report { policy: policy.version().to_owned(), in_force: standing.version().to_owned(), ..Report::default() };
    let mut pairs = Vec::new();
    let mut cursor = None;
    while !expected.is_settled() {
        let page = local.ledger.page(None, cursor.as_deref(), PAGE).await?;
        for analysis in &page.analyses {
            for (image, verdict) in expected.take(analysis) {
                let whole = with_all_labels(&local.ledger, analysis.clone(), &[&policy, &standing]).await?;
                pairs.push((verdict, report.add(image, verdict, &whole, (&policy, &standing))));
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    report.missing = expected.rest();
    report.verdicts = Verdict::ALL.into_iter().filter_map(|verdict| score(verdict, &pairs)).collect();
    if args.json {
        print_all([json(&report)?])?
    } else {
        print_all(report.lines())?
    }
    let as_expected = report.wrong.is_empty() && report.missing.is_empty();
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Report {
    /// What the policy says, noted where that is not what was expected or what is in force.
    fn add(
        &mut self,
        image: String,
        expected: Verdict,
        analysis: &Analysis,
        (policy, standing): (&Policy, &Policy),
    ) -> Verdict {
        let decision = policy.decide(&analysis.findings);
        let before = standing.decide(&analysis.findings).verdict;
        let to = decision.verdict;
        if before != to {
            self.changed.push(Differs { image: image.clone(), from: before, to, rule: decision.rule.clone() });
        }
        if expected != to {
            self.wrong.push(Differs { image, from: expected, to, rule: decision.rule });
        }
        to
    }

    fn lines(&self) -> Vec<String> {
        let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"));
        let mut lines = vec![format!("policy {}, in force {}", self.policy, self.in_force), String::new()];
        lines.push(format!("{:10}  {:>9}  {:>6}  {:>8}  {:>5}", "verdict", "precision", "recall", "expected", "given"));
        for score in &self.verdicts {
            let (name, precision, recall) = (score.verdict.name(), share(score.precision), share(score.recall));
            lines.push(format!("{name:10}  {precision:>9}  {recall:>6}  {:>8}  {:>5}", score.expected, score.given));
        }
        let told = |what: &str, differs: &Differs| {
            let rule = differs.rule.as_ref().map(|rule| format!(" (rule \"{}\")", printable(rule))).unwrap_or_default();
            format!("{what}  {}: {} -> {}{rule}", printable(&differs.image), differs.from.name(), differs.to.name())
        };
        lines.push(String::new());
        lines.extend(self.wrong.iter().map(|differs| told("not as expected", differs)));
        lines.extend(self.changed.iter().map(|differs| told("changed", differs)));
        lines.extend(self.missing.iter().map(|image| format!("not stored  {}", printable(image))));
        let (wrong, changed, missing) = (self.wrong.len(), self.changed.len(), self.missing.len());
        lines.push(format!(
            "{wrong} not as expected, {changed} changed against the policy in force, {missing} not stored"
        ));
        lines
    }
}

/// `None` for a verdict that nobody expected and nobody gave.
fn score(verdict: Verdict, pairs: &[(Verdict, Verdict)]) -> Option<Score> {
    let count = |which: &dyn Fn(&(Verdict, Verdict)) -> bool| pairs.iter().filter(|pair| which(pair)).count();
    let expected = count(&|pair| pair.0 == verdict);
    let given = count(&|pair| pair.1 == verdict);
    let right = count(&|pair| *pair == (verdict, verdict));
    let share = |whole: usize| (whole > 0).then(|| right as f64 / whole as f64);
    let score = Score { verdict, expected, given, right, precision: share(given), recall: share(expected) };
    (expected + given > 0).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_recall_are_shares_of_what_was_given_and_of_what_was_meant() {
        use Verdict as V;
        let pairs =
            [(V::Blur, V::Blur), (V::Blur, V::Allow), (V::Allow, V::Blur), (V::Blur, V::Blur), (V::Review, V::Blur)];
        let blur = score(V::Blur, &pairs).unwrap();
        assert_eq!((blur.expected, blur.given, blur.right), (3, 4, 2));
        assert_eq!((blur.precision, blur.recall), (Some(0.5), Some(2.0 / 3.0)));
        assert_eq!(score(V::Review, &pairs).unwrap().precision, None);
        assert_eq!(score(V::Reject, &pairs), None);
    }
}
