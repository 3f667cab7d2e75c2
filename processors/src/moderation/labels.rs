//! The labels that a detector gave and a caller did not want to be told: asking for one label only is no way around moderation.

use common::{
    analysis::{Analysis, Feature, Features, Findings},
    error::Result,
    ports::Archive,
};

use super::policy::Policy;

/// The analysis with all its labels, where one of these policies may be about one of those that were left out, and they are kept.
pub async fn with_all_labels(archive: &dyn Archive, mut analysis: Analysis, policies: &[&Policy]) -> Result<Analysis> {
    let lowest = policies.iter().filter_map(|policy| policy.lowest_label_score()).min_by(f32::total_cmp);
    let last = analysis.findings.labels.as_ref().and_then(|labels| labels.last()).map(|label| label.score);
    // They come best first: what was left out has at most the last one's score.
    let (Some(lowest), Some(last), Some(features)) = (lowest, last, asked(&analysis.findings)) else {
        return Ok(analysis);
    };
    if last < lowest {
        return Ok(analysis);
    }
    let kept = archive.reusable(analysis.digest, &features, Some(&analysis.detector)).await?;
    let more = kept.and_then(|kept| kept.findings.labels);
    let fuller = more.as_ref().map(Vec::len) > analysis.findings.labels.as_ref().map(Vec::len);
    if fuller {
        analysis.findings.labels = more;
    }
    Ok(analysis)
}

/// What was asked, as what was answered tells.
fn asked(findings: &Findings) -> Option<Features> {
    let silent = |feature: Feature| Features::new([feature]).is_ok_and(|one| findings.silent_about(&one).is_some());
    let asked = |feature: &Feature| !silent(*feature) || findings.pending.contains(feature);
    Features::new(Feature::ALL.into_iter().filter(asked)).ok()
}
