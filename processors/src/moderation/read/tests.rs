//! What is a policy and what is none.

use common::analysis::Feature;

use super::*;

fn problems(text: &str) -> String {
    let error = Policy::parse(text).expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidRequest);
    error.message().to_owned()
}

fn rule(name: &str, action: &str, condition: &str) -> String {
    format!("[[rule]]\nname = '{name}'\naction = '{action}'\nall = [{condition}]\n")
}

#[test]
fn the_default_policy_is_that_of_googles_samples() {
    let policy = Policy::parse(crate::moderation::DEFAULT).unwrap();
    assert_eq!((policy.rules(), policy.features().to_string().as_str()), (1, "safe_search"));
    assert_eq!(policy.version().len(), 12);
    assert!(!policy.reviews_undecided());
}

#[test]
fn everything_that_can_be_written_is_read() {
    let policy = Policy::parse(
        r#"
        [[rule]]
        name = "plates"
        action = "blur"
        regions = ["faces", "text"]
        any = [{ label = "Car", score = 0.6 }, { label_matches = "^sports? car$" }]
        all = [{ text_matches = '\b[A-Z]{1,3}[- ]?\d{2,4}\b' }, { faces = 2 }, { celebrity = "Ada Lovelace", score = 1 }]
        [undecided]
        default = "closed"
        consumers = { shop = "open" }
        review = true
        [deny]
        digests = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
        "#,
    )
    .unwrap();
    assert_eq!(policy.features().to_string(), "celebrities,faces,labels,text");
    assert_eq!((policy.fails().of("shop"), policy.fails().of("anybody")), (Fails::Open, Fails::Closed));
    assert!(policy.reviews_undecided());
    assert!(policy.denies(format!("sha256:{}", "0".repeat(64)).parse().unwrap()));
    assert_eq!(policy.lowest_label_score(), Some(0.0));
}

#[test]
fn what_only_a_region_needs_is_asked_as_well() {
    let text = rule("one", "blur", "{ label = 'party' }") + "regions = ['faces']\n";
    assert!(Policy::parse(&text).unwrap().features().contains(Feature::Faces));
}

#[test]
fn every_problem_is_named_at_once() {
    let text = r#"
        colour = "red"
        [[rule]]
        name = "one"
        action = "burn"
        any = []
        regoins = []
        [[rule]]
        name = "one"
        action = "review"
        regions = ["hands"]
        all = [
            { safe_search = "nudity", at_least = "CERTAIN" },
            { safe_search = "adult", at_least = "UNKNOWN" },
            { label = "espresso", score = 1.5 },
            { label = "" },
            { label = "cup", text_matches = "cup" },
            { faces = 0 },
            { label_matches = "(" },
            { },
            { lable = "cup" },
        ]
        [undecided]
        default = "ajar"
        consumers = { shop = 1 }
        review = "yes"
        [deny]
        digests = ["sha256:12", 7]
    "#;
    let problems = problems(text);
    for part in [
        "no field \"colour\"",
        "no action \"burn\"",
        "rule \"one\": it has no condition",
        "no field \"regoins\"",
        "two rules of the name \"one\"",
        "regions are for the action blur only",
        "no region \"hands\"",
        "safe_search \"nudity\"",
        "at_least \"CERTAIN\"",
        "at_least \"UNKNOWN\"",
        "score 1.5 is not within 0 to 1",
        "label is a name of 1 to",
        "looks at label and text_matches",
        "faces is how many",
        "label_matches: error: unclosed group",
        "looks at nothing",
        "default is open or closed",
        "consumers.shop is open or closed",
        "review is true or false",
        "\"sha256:12\"",
        "digests is a list of texts",
    ] {
        assert!(problems.contains(part), "{part} in:\n{problems}");
    }
}

#[test]
fn contradictions_are_refused_however_they_are_written() {
    let cup = "{ label = 'cup', score = 0.5 }";
    let both = rule("one", "blur", cup) + &rule("two", "reject", cup);
    assert!(problems(&both).contains("rules \"one\" and \"two\" ask the same and want blur and reject"));
    // In another order and another case, and as an alternative with nothing beside it.
    let one = rule("one", "blur", &format!("{cup}, {{ faces = 1 }}"));
    let two = rule("two", "allow", "{ faces = 1 }, { label = 'CUP', score = 0.5 }");
    assert!(problems(&(one + &two)).contains("ask the same"));
    let any = format!("[[rule]]\nname = 'any'\naction = 'review'\nany = [{cup}]\n");
    assert!(problems(&(rule("one", "blur", cup) + &any)).contains("ask the same"));
    let same = rule("one", "blur", cup) + &rule("two", "blur", cup);
    assert!(Policy::parse(&same).is_ok());
    let other = rule("one", "blur", cup) + &rule("two", "reject", "{ label = 'cup', score = 0.9 }");
    assert!(Policy::parse(&other).is_ok());
}

#[test]
fn pattern_bombs_are_refused_when_they_are_read() {
    let nested = format!("{}a{}", "(".repeat(200), ")".repeat(200));
    for bomb in [r"(?:\w{200}){200}", r"a{1000}{1000}", r"((a{100}){100}){100}", &nested, &"a".repeat(2000)] {
        let text = rule("bomb", "reject", &format!("{{ text_matches = '{bomb}' }}"));
        assert!(problems(&text).contains("text_matches"), "{}", &bomb[..20]);
    }
    // What is slow elsewhere is linear here.
    let policy = Policy::parse(&rule("slow", "reject", "{ text_matches = '(a+)+$' }")).unwrap();
    let text = common::analysis::Text { content: "a".repeat(1_000_000) + "!", blocks: Vec::new() };
    let findings = common::analysis::Findings { text: Some(text), ..Default::default() };
    assert_eq!(policy.decide(&findings).verdict, Verdict::Allow);
}

#[test]
fn what_is_no_policy_at_all_is_refused() {
    assert!(problems("").contains("no [[rule]]"));
    assert!(problems("rule = 1").contains("rule is a list of tables"));
    assert!(problems("[[rule]\n").contains("not TOML"));
    assert!(problems(&"#".repeat(MOST_BYTES + 1)).contains("bytes"));
    let many: String = (0..300).map(|number| rule(&number.to_string(), "blur", "{ faces = 1 }")).collect();
    assert!(problems(&many).contains("300 rules"));
    let many = rule("many", "blur", &"{ faces = 1 },".repeat(65));
    assert!(problems(&many).contains("65 conditions"));
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(problems(&deep).contains("not TOML"));
}
