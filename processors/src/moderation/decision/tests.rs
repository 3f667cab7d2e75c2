//! What the rules come to, and what must hold whatever was found: over many made-up findings.

use common::analysis::{Face, Features, Label, Likelihood, SafeSearch, Text};

use super::*;

fn policy(text: &str) -> Policy {
    Policy::parse(text).unwrap()
}

fn safe(adult: Likelihood) -> Findings {
    let no = Likelihood::VeryUnlikely;
    Findings {
        safe_search: Some(SafeSearch { adult, violence: no, racy: no, medical: no, spoof: no }),
        ..Default::default()
    }
}

fn labels(labels: &[(&str, f32)]) -> Findings {
    let label = |(name, score): &(&str, f32)| Label { description: (*name).to_owned(), score: *score, mid: None };
    Findings { labels: Some(labels.iter().map(label).collect()), ..Default::default() }
}

const ESPRESSO: &str = "[[rule]]\nname = 'espresso'\naction = 'blur'\nall = [{ label = 'espresso', score = 0.5 }]\n";

#[test]
fn the_default_policy_blurs_what_is_very_likely_and_judges_nothing_that_it_was_not_told() {
    let policy = policy(crate::moderation::DEFAULT);
    let check = |findings: &Findings, verdict| assert_eq!(policy.decide(findings).verdict, verdict);
    check(&safe(Likelihood::VeryLikely), Verdict::Blur);
    check(&safe(Likelihood::Likely), Verdict::Allow);
    check(&safe(Likelihood::Unknown), Verdict::Undecided);
    check(&labels(&[("cup", 0.9)]), Verdict::Undecided);
    check(&Findings { unsupported: vec![Feature::SafeSearch], ..labels(&[]) }, Verdict::Undecided);
    let decision = policy.decide(&safe(Likelihood::VeryLikely));
    assert_eq!(decision.rule.as_deref(), Some("adult or violent"));
    assert_eq!(decision.evidence[0].because, "adult is VERY_LIKELY");
}

#[test]
fn a_label_is_found_whatever_its_case_and_from_its_score_on() {
    let policy = policy(ESPRESSO);
    let check =
        |name, score, verdict| assert_eq!(policy.decide(&labels(&[(name, score)])).verdict, verdict, "{name} {score}");
    check("Espresso", 0.5, Verdict::Blur);
    check("espresso", 0.499, Verdict::Allow);
    check("espresso", f32::NAN, Verdict::Blur);
    check("espresso maker", 0.9, Verdict::Allow);
}

#[test]
fn each_of_many_patterns_finds_what_it_would_find_alone() {
    let patterns = ["^dog$", "(?-i)Cat", "rocket|ship", r"\d{2}", "b.r$", "x"];
    let rule = |(number, pattern): (usize, &&str)| {
        format!(
            "[[rule]]\nname = '{number}'\naction = 'review'\nall = [{{ label_matches = '{pattern}', score = 0.5 }}]\n"
        )
    };
    let rules: Vec<String> = patterns.iter().enumerate().map(rule).collect();
    let together = policy(&rules.concat());
    for names in
        [&["Dog", "cat", "a Cat"][..], &["hot dog", "battleship", "Bar"], &["route 66", "box", "beer barrel"], &[]]
    {
        for score in [0.4, 0.6] {
            let found = labels(&names.iter().map(|name| (*name, score)).collect::<Vec<_>>());
            let alone: Vec<_> = rules.iter().flat_map(|rule| policy(rule).explain(&found)).collect();
            assert_eq!(together.explain(&found), alone, "{names:?}");
        }
    }
    assert_eq!(together.explain(&labels(&[("a Cat", 0.6)]))[1].holds, Some(true));
}

#[test]
fn the_strictest_rule_that_holds_wins_and_a_milder_doubt_changes_nothing() {
    let policy = policy(
        r#"
        [[rule]]
        name = "cup"
        action = "quarantine"
        all = [{ label = "cup" }]
        [[rule]]
        name = "espresso"
        action = "review"
        all = [{ label = "espresso" }]
        [[rule]]
        name = "faces"
        action = "blur"
        all = [{ faces = 1 }]
        "#,
    );
    let decide = |findings: &Findings| policy.decide(findings);
    let both = decide(&labels(&[("espresso", 0.9), ("cup", 0.8)]));
    assert_eq!((both.verdict, both.rule.as_deref()), (Verdict::Quarantine, Some("cup")));
    assert_eq!(both.evidence.len(), 3, "those that hold, and the one about which nobody can tell");
    let doubt = decide(&labels(&[("espresso", 0.9)]));
    assert_eq!((doubt.verdict, doubt.rule.as_deref()), (Verdict::Undecided, Some("faces")));
    let told = decide(&Findings { faces: Some(Vec::new()), ..labels(&[("espresso", 0.9)]) });
    assert_eq!((told.verdict, told.rule.as_deref()), (Verdict::Review, Some("espresso")));
}

#[test]
fn one_certain_alternative_is_enough_and_one_certain_no_too() {
    let both = "{ label = 'cup' }, { faces = 1 }";
    let any = policy(&format!("[[rule]]\nname = 'any'\naction = 'reject'\nany = [{both}]\n"));
    let all = policy(&format!("[[rule]]\nname = 'all'\naction = 'reject'\nall = [{both}]\n"));
    assert_eq!(any.decide(&labels(&[("cup", 0.1)])).verdict, Verdict::Reject);
    assert_eq!(any.decide(&labels(&[])).verdict, Verdict::Undecided);
    assert_eq!(all.decide(&labels(&[("cup", 0.1)])).verdict, Verdict::Undecided);
    assert_eq!(all.decide(&labels(&[])).verdict, Verdict::Allow);
}

#[test]
fn evidence_never_holds_recognised_text() {
    let policy = policy("[[rule]]\nname = 'pin'\naction = 'reject'\nall = [{ text_matches = 'pin' }]\n");
    let text = Text { content: "my PIN is 4711".to_owned(), blocks: Vec::new() };
    let findings = Findings { text: Some(text), ..Default::default() };
    let decision = policy.decide(&findings);
    assert_eq!(decision.verdict, Verdict::Reject);
    assert!(!format!("{decision:?}{:?}", policy.explain(&findings)).contains("4711"));
}

#[test]
fn only_the_named_places_are_blurred_where_all_of_them_are_known() {
    let named = policy(&format!("{ESPRESSO}regions = ['faces', 'text']\n"));
    let bounds = BoundingBox { left: 0.1, top: 0.1, width: 0.2, height: 0.2 };
    let found = |text: Option<Text>| Findings {
        faces: Some(vec![Face { bounds, score: 0.9 }]),
        text,
        ..labels(&[("espresso", 0.9)])
    };
    let text =
        |content: &str, blocks: &[BoundingBox]| Some(Text { content: content.to_owned(), blocks: blocks.to_vec() });
    assert_eq!(named.decide(&found(text("menu", &[bounds]))).regions, [bounds, bounds]);
    assert_eq!(named.decide(&found(text("", &[]))).regions, [bounds]);
    assert!(named.decide(&found(text("menu", &[]))).regions.is_empty(), "it was read and nobody knows where");
    assert!(named.decide(&found(None)).regions.is_empty());
    let whole = policy(&format!("{ESPRESSO}regions = ['faces']\n{}", ESPRESSO.replace("'espresso'\n", "'whole'\n")));
    assert!(whole.decide(&found(text("", &[]))).regions.is_empty(), "another rule wants all of it");
}

/// A small generator of anything, with a seed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn likelihood(&mut self) -> Likelihood {
        use Likelihood as L;
        [L::Unknown, L::VeryUnlikely, L::Unlikely, L::Possible, L::Likely, L::VeryLikely][self.roll(6) as usize]
    }

    fn condition(&mut self) -> String {
        let name = ["cup", "espresso", "gun"][self.roll(3) as usize];
        match self.roll(5) {
            0 => format!("{{ label = '{name}', score = 0.{} }}", self.roll(10)),
            1 => format!("{{ label_matches = '{}', score = 0.{} }}", &name[..2], self.roll(10)),
            2 => format!("{{ faces = {} }}", 1 + self.roll(2)),
            3 => format!("{{ text_matches = '{name}' }}"),
            _ => {
                let category = ["adult", "violence", "racy"][self.roll(3) as usize];
                let least = ["POSSIBLE", "LIKELY", "VERY_LIKELY"][self.roll(3) as usize];
                format!("{{ safe_search = '{category}', at_least = '{least}' }}")
            }
        }
    }

    /// Any policy; one that contradicts itself is thrown again.
    fn policy(&mut self) -> Policy {
        loop {
            let mut text = String::new();
            for number in 0..=self.roll(4) {
                let action = ["allow", "review", "blur", "quarantine", "reject"][self.roll(5) as usize];
                let how = ["any", "all"][self.roll(2) as usize];
                let conditions: Vec<String> = (0..=self.roll(3)).map(|_| self.condition()).collect();
                text +=
                    &format!("[[rule]]\nname = '{number}'\naction = '{action}'\n{how} = [{}]\n", conditions.join(", "));
            }
            if let Ok(policy) = Policy::parse(&text) {
                return policy;
            }
        }
    }

    fn findings(&mut self) -> Findings {
        let mut findings = Findings::default();
        if self.roll(4) > 0 {
            let name = |dice: &mut Self| ["cup", "espresso", "gun", "table"][dice.roll(4) as usize].to_owned();
            let label =
                |dice: &mut Self| Label { description: name(dice), score: dice.roll(100) as f32 / 100.0, mid: None };
            findings.labels = Some((0..self.roll(4)).map(|_| label(self)).collect());
        }
        if self.roll(4) > 0 {
            let [adult, violence, racy] = [self.likelihood(), self.likelihood(), self.likelihood()];
            let (medical, spoof) = (self.likelihood(), self.likelihood());
            findings.safe_search = Some(SafeSearch { adult, violence, racy, medical, spoof });
        }
        if self.roll(4) > 0 {
            let bounds = BoundingBox { left: 0.0, top: 0.0, width: 0.1, height: 0.1 };
            findings.faces = Some(vec![Face { bounds, score: 1.0 }; self.roll(4) as usize]);
        }
        if self.roll(4) > 0 {
            let content = ["", "a cup of espresso", "gun"][self.roll(3) as usize].to_owned();
            findings.text = Some(Text { content, blocks: Vec::new() });
        }
        for feature in Feature::ALL {
            match self.roll(12) {
                0 => findings.unsupported.push(feature),
                1 => findings.pending.push(feature),
                _ => {}
            }
        }
        findings
    }
}

/// How much an image is kept back; undecided counts as much as the strictest.
fn strictness(verdict: Verdict) -> u8 {
    if verdict == Verdict::Undecided { Verdict::Reject as u8 } else { verdict as u8 }
}

#[test]
fn knowing_less_is_never_milder() {
    let mut dice = Dice(1);
    for round in 0..20_000 {
        let (policy, findings) = (dice.policy(), dice.findings());
        let before = policy.decide(&findings);
        let mut less = findings.clone();
        match dice.roll(6) {
            0 => less.labels = None,
            1 => less.safe_search = None,
            2 => less.faces = None,
            3 => less.text = None,
            4 => less.unsupported.push(Feature::ALL[dice.roll(7) as usize]),
            _ => less.pending.push(Feature::ALL[dice.roll(7) as usize]),
        }
        let after = policy.decide(&less);
        assert!(
            strictness(after.verdict) >= strictness(before.verdict),
            "round {round}: {before:?} became {after:?} by {findings:?} becoming {less:?}"
        );
    }
}

#[test]
fn finding_more_is_never_milder() {
    let mut dice = Dice(2);
    for round in 0..20_000 {
        let (policy, findings) = (dice.policy(), dice.findings());
        let before = policy.decide(&findings);
        let mut more = findings.clone();
        if let Some(labels) = &mut more.labels {
            labels.push(Label { description: "gun".to_owned(), score: dice.roll(100) as f32 / 100.0, mid: None });
        }
        if let Some(text) = &mut more.text {
            text.content += " gun";
        }
        if let Some(safe) = more.safe_search.as_mut().filter(|safe| safe.adult != Likelihood::Unknown) {
            safe.adult = safe.adult.max(Likelihood::VeryLikely);
        }
        let after = policy.decide(&more);
        // A doubt that becomes certain may turn out to be milder than what it was feared to be.
        let was_doubt = before.verdict == Verdict::Undecided;
        assert!(was_doubt || after.verdict >= before.verdict, "round {round}: {before:?} became {after:?}");
    }
}

#[test]
fn allow_means_that_every_stricter_rule_was_evaluated_and_does_not_hold() {
    let mut dice = Dice(3);
    let mut allowed = 0;
    for round in 0..20_000 {
        let (policy, findings) = (dice.policy(), dice.findings());
        let decision = policy.decide(&findings);
        let told = policy.explain(&findings);
        let strict = told.iter().filter(|evidence| evidence.action > Verdict::Allow);
        let clear = strict.clone().all(|evidence| evidence.holds == Some(false));
        assert_eq!(decision.verdict == Verdict::Allow, clear, "round {round}: {decision:?} of {told:?}");
        let feared = strict.filter(|evidence| evidence.holds != Some(false)).map(|evidence| evidence.action).max();
        if let Some(feared) = feared.filter(|_| decision.verdict != Verdict::Undecided) {
            assert_eq!(decision.verdict, feared, "round {round}");
        }
        allowed += u32::from(decision.verdict == Verdict::Allow);
        // Nothing at all known: whatever could be stricter is a doubt.
        let blind = policy.decide(&Findings::default()).verdict;
        let strictest = told.iter().map(|evidence| evidence.action).max();
        assert_eq!(blind == Verdict::Allow, strictest == Some(Verdict::Allow), "round {round}");
    }
    assert!(allowed > 1000, "{allowed} were allowed");
}

#[test]
fn the_features_of_a_policy_are_what_it_looks_at() {
    let mut dice = Dice(4);
    for _ in 0..2_000 {
        let (policy, findings) = (dice.policy(), dice.findings());
        let only = findings.clone().only(policy.features());
        assert_eq!(policy.decide(&findings), policy.decide(&only));
    }
    assert_eq!(policy(ESPRESSO).features(), &Features::default());
}
