//! What the linters of Terraform and Docker say. A finding of checkov that does not apply is skipped where it would be found,
//! with the reason beside it.

use std::{fs, process::Command};

use serde_json::Value;
use tests::{infra_python, workspace_root};

use super::{DOCKERFILE, terraform};

#[test]
fn terraform_files_are_formatted() {
    let mut terraform = Command::new("terraform");
    // It asks the world for newer versions of itself unless told not to.
    terraform.args(["fmt", "-check", "-diff", "-recursive", "infra"]).env("CHECKPOINT_DISABLE", "1");
    match terraform.current_dir(workspace_root()).output() {
        Err(error) => eprintln!("skipped: terraform is missing: {error}"),
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
    }
}

#[test]
fn no_linter_complains() {
    let files = fs::read_to_string(workspace_root().join(DOCKERFILE)).into_iter().chain(terraform().into_values());
    let reasons: Vec<String> = files.flat_map(|text| skips(&text)).collect();
    let mut skipped = 0;
    for scope in
        [["--directory", "infra", "--framework", "terraform"], ["--file", DOCKERFILE, "--framework", "dockerfile"]]
    {
        let report = checkov(&scope);
        let (summary, failed) = (&report["summary"], &report["results"]["failed_checks"]);
        assert_eq!(summary["failed"], 0, "{failed:#}");
        assert_eq!(summary["parsing_errors"], 0, "{report:#}");
        assert_ne!(summary["passed"], 0, "nothing was checked: {report:#}");
        skipped += summary["skipped"].as_u64().unwrap();
    }
    assert_eq!(skipped, reasons.len() as u64, "a check is skipped that does not fail, or fails no more: {reasons:?}");

    let hadolint = infra_python().with_file_name("hadolint");
    let output = Command::new(hadolint).arg("--no-color").arg(workspace_root().join(DOCKERFILE)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The checks that a file says not to apply; each with its reason, or this fails.
fn skips(text: &str) -> Vec<String> {
    let skips = text.lines().filter_map(|line| line.split_once("checkov:skip=")).map(|(_, skip)| skip.to_owned());
    let skips: Vec<String> = skips.collect();
    for skip in &skips {
        let reason = skip.split_once(':').map_or("", |(_, reason)| reason.trim());
        assert!(reason.contains(' '), "`checkov:skip={skip}` gives no reason");
    }
    skips
}

/// checkov's report. It downloads nothing, and what it might send nevertheless ends on this machine.
pub(super) fn checkov(scope: &[&str]) -> Value {
    let mut checkov = Command::new(infra_python());
    checkov.args(["-m", "checkov.main", "--skip-download", "--compact", "--output", "json"]).args(scope);
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        checkov.env(proxy, "http://127.0.0.1:9");
    }
    let output = checkov.current_dir(workspace_root()).output().unwrap();
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said()))
}
