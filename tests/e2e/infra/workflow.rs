//! `.github/workflows`: what a job may do, what of others' it runs, and in which order a release goes out.

use std::{fs, process::Command};

use serde_json::Value;
use tests::{python, sam_python, workspace_root};

const DEPLOY: &str = ".github/workflows/deploy.yml";
/// YAML takes the bare word `on` for true.
const READ: &str = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";

fn deploy() -> Value {
    let output = Command::new(python()).args(["-c", READ, DEPLOY]).current_dir(workspace_root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn steps<'a>(workflow: &'a Value, job: &str) -> &'a [Value] {
    workflow["jobs"][job]["steps"].as_array().unwrap()
}

#[test]
fn a_job_may_do_what_it_needs_and_no_key_is_stored() {
    let workflow = deploy();
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        for (scope, access) in job["permissions"].as_object().unwrap() {
            let signs_in = name != "test" && scope == "id-token" && access == "write";
            assert!(signs_in || (scope == "contents" && access == "read"), "{name}: {scope}: {access}");
        }
        for step in job["steps"].as_array().unwrap() {
            let Some(action) = step["uses"].as_str() else { continue };
            let (_, commit) = action.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{action} can be moved");
            if action.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}");
            }
        }
        for step in job["steps"].as_array().unwrap() {
            // What somebody else has named must not become a part of a script.
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: {script}");
        }
    }
    for file in [DEPLOY, ".github/sign-in"] {
        let text = fs::read_to_string(workspace_root().join(file)).unwrap();
        for stored in ["secrets.", "AKIA", "credentials_json", "private_key"] {
            assert!(!text.contains(stored), "{file}: {stored}");
        }
    }
}

#[test]
fn a_release_is_tested_tried_and_then_promoted_or_rolled_back() {
    let workflow = deploy();
    assert_eq!(workflow["jobs"]["deploy"]["needs"], "test");
    assert!(workflow["jobs"]["deploy"]["if"].as_str().unwrap().contains("refs/heads/main"));
    assert!(workflow["jobs"]["plan"]["if"].as_str().unwrap().contains("head.repo.full_name == github.repository"));
    assert!(workflow["jobs"]["deploy"]["environment"].is_string(), "an environment can ask for somebody's yes");
    assert!(steps(&workflow, "test").iter().any(|step| step["run"] == ".ci/run"));
    let runs: Vec<&str> = steps(&workflow, "deploy").iter().filter_map(|step| step["run"].as_str()).collect();
    let order =
        ["just revision", "just google", "just aws", "just smoke", "just traffic", "just rollback", "just traffic"];
    let mut rest = runs.as_slice();
    for wanted in order {
        let place = rest.iter().position(|run| run.contains(wanted));
        rest = &rest[place.unwrap_or_else(|| panic!("no {wanted} in its place: {runs:#?}")) + 1..];
    }
    let after = steps(&workflow, "deploy")
        .iter()
        .filter(|step| step["if"].as_str().is_some_and(|when| when.contains("failure()")));
    assert_eq!(after.count(), 2, "one way back for each cloud");
}

#[test]
fn every_recipe_that_the_workflow_calls_is_there() {
    let summary = Command::new(sam_python().with_file_name("just"))
        .arg("--summary")
        .current_dir(workspace_root())
        .output()
        .unwrap();
    let recipes = String::from_utf8(summary.stdout).unwrap();
    let recipes: Vec<&str> = recipes.split_whitespace().collect();
    let text = fs::read_to_string(workspace_root().join(DEPLOY)).unwrap();
    let called: Vec<&str> = text
        .match_indices("just ")
        .filter_map(|(at, _)| text[at + 5..].split_whitespace().next())
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    assert!(called.len() > 5, "{called:?}");
    for recipe in called {
        assert!(recipes.contains(&recipe), "there is no recipe {recipe}: {recipes:?}");
    }
}
