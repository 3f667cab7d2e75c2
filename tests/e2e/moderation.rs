//! `crosslens policy`: what is wrong with a policy, what it makes of a picture, and what it makes of what was analysed before.

use std::{fs, path::Path};

use serde_json::Value;
use tests::{Cli, Ended, model_cache, photo};

const ESPRESSO: &str = "[[rule]]\nname = 'espresso'\naction = 'blur'\nall = [{ label = 'espresso', score = 0.5 }]\n";

/// A call with a data folder of its own.
fn policy(data: &Path, args: &[&str]) -> Ended {
    model_cache();
    Cli::new(["policy", "--data"]).arg(data).args(args).run()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn check_names_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, "[[rule]]\nname = 'one'\naction = 'burn'\nall = [{ lable = 'cup' }]\n[deny]\ndigests = ['x']\n")
        .unwrap();
    let bad = policy(folder.path(), &["check", file.to_str().unwrap()]);
    assert_eq!(bad.code, 2, "{bad:?}");
    for part in ["policy.toml", "burn", "looks at nothing", "[deny]"] {
        assert!(bad.stderr.contains(part), "{part} in {bad:?}");
    }
    fs::write(&file, ESPRESSO).unwrap();
    let good = policy(folder.path(), &["check", file.to_str().unwrap()]);
    assert!(good.code == 0 && good.stdout.contains("rules: 1") && good.stdout.contains("needs: labels"), "{good:?}");
    let built_in = policy(folder.path(), &["check"]);
    assert!(built_in.code == 0 && built_in.stdout.contains("safe_search"), "{built_in:?}");
    assert_eq!(policy(folder.path(), &["check", "nowhere.toml"]).code, 2);
}

#[test]
fn explain_says_which_rule_decides_and_why_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, format!("{ESPRESSO}[[rule]]\nname = 'faces'\naction = 'review'\nall = [{{ faces = 1 }}]\n"))
        .unwrap();
    let (coffee, file) = (photo("coffee.png").to_str().unwrap(), file.to_str().unwrap());
    let table = policy(folder.path(), &["explain", coffee, "--policy", file]);
    assert_eq!(table.code, 0, "{table:?}");
    for part in ["blur, by the rule \"espresso\"", "label espresso 0.9", "cannot tell", "faces cannot be told"] {
        assert!(table.stdout.contains(part), "{part} in {table:?}");
    }
    let told = json(&policy(folder.path(), &["explain", coffee, "--policy", file, "--json"]));
    assert_eq!(
        (&told["verdict"], &told["rule"], &told["rules"][1]["holds"]),
        (&"blur".into(), &"espresso".into(), &Value::Null)
    );
    // The embedded model cannot judge safety, and the built-in policy asks for nothing else.
    let built_in = json(&policy(folder.path(), &["explain", coffee, "--json"]));
    assert_eq!(built_in["verdict"], "undecided");
    let kept = Cli::new(["export", "--data"]).arg(folder.path()).run();
    assert_eq!(kept.stdout, "", "nothing was kept");
}

#[test]
fn test_decides_anew_about_what_is_stored() {
    model_cache();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let labelled = Cli::new(["label", "--format", "jsonl", "--max-labels", "1", "--data"])
        .arg(folder.path())
        .args([photo("coffee.png").to_str().unwrap(), photo("chelsea.png").to_str().unwrap()])
        .run();
    assert_eq!(labelled.code, 0, "{labelled:?}");
    let rows: Vec<Value> = labelled.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    fs::write(path("policy.toml"), ESPRESSO).unwrap();
    let expected = format!(
        "id,digest,verdict\n{},,blur\n,{},allow\n",
        rows[0]["id"].as_str().unwrap(),
        rows[1]["digest"].as_str().unwrap()
    );
    fs::write(path("expected.csv"), expected).unwrap();
    let (file, csv) = (path("policy.toml"), path("expected.csv"));
    let right = policy(folder.path(), &["test", &csv, "--policy", &file, "--json"]);
    assert_eq!(right.code, 0, "{right:?}");
    let report = json(&right);
    let blur = report["verdicts"].as_array().unwrap().iter().find(|score| score["verdict"] == "blur").unwrap();
    assert_eq!((&blur["precision"], &blur["recall"]), (&1.0.into(), &1.0.into()));
    // The built-in policy is in force, and can tell nothing of labels alone.
    assert_eq!(report["changed"].as_array().unwrap().len(), 2, "{report}");

    let digest = rows[1]["digest"].as_str().unwrap();
    fs::write(
        path("wrong.jsonl"),
        format!(
            "{{\"digest\":\"{digest}\",\"verdict\":\"reject\"}}\n{{\"digest\":\"sha256:{}\",\"verdict\":\"allow\"}}\n",
            "0".repeat(64)
        ),
    )
    .unwrap();
    let wrong = policy(folder.path(), &["test", &path("wrong.jsonl"), "--policy", &file]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    for part in
        ["not as expected  sha256:", "reject -> allow", "not stored  sha256:000", "1 not as expected, 1 changed"]
    {
        assert!(wrong.stdout.contains(part), "{part} in {wrong:?}");
    }
    // A label that the caller of `label` did not want is one all the same.
    let second =
        "[[rule]]\nname = 'cup'\naction = 'review'\nall = [{ label_matches = 'cup|eggnog|mug', score = 0.001 }]\n";
    fs::write(path("second.toml"), second).unwrap();
    fs::write(path("second.csv"), format!("id,verdict\n{},review\n", rows[0]["id"].as_str().unwrap())).unwrap();
    let ended = policy(folder.path(), &["test", &path("second.csv"), "--policy", &path("second.toml")]);
    assert_eq!(ended.code, 0, "{ended:?}");
}
