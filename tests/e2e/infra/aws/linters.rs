//! What AWS's own judges and checkov say of the template.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use tests::{sam_python, workspace_root};

use super::{super::linters::checkov, template::TEMPLATE};

const SKIPS: &str = "infra/aws/checkov.yaml";

#[test]
fn aws_finds_nothing_wrong_with_the_template() {
    let sam = sam_python().with_file_name("sam");
    passes(Command::new(sam).args(["validate", "--lint", "--template", TEMPLATE]));
    passes(Command::new(sam_python().with_file_name("cfn-lint")).arg(TEMPLATE));
}

/// Nothing of what is run here needs a network: with all proxies on a closed port it must say the same.
fn passes(command: &mut Command) {
    let home = tempfile::tempdir().unwrap();
    closed(command, home.path());
    let output = command.current_dir(workspace_root()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
}

fn closed(command: &mut Command, home: &Path) {
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    command.env("HOME", home).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-central-1");
}

#[test]
fn checkov_finds_what_has_a_written_reason_and_nothing_else() {
    let skips = fs::read_to_string(workspace_root().join(SKIPS)).unwrap();
    let mut reasons = BTreeSet::new();
    for line in skips.lines().filter_map(|line| line.trim().strip_prefix("- ")) {
        let (check, reason) = line.split_once('#').unwrap_or_else(|| panic!("{line} gives no reason"));
        assert!(reason.trim().contains(' '), "{line} gives no reason");
        assert!(reasons.insert(check.trim().to_owned()), "{check} stands there twice");
    }
    let report = checkov(&["--file", TEMPLATE, "--framework", "cloudformation"]);
    assert_eq!(report["summary"]["parsing_errors"], 0, "{report:#}");
    assert_ne!(report["summary"]["passed"], 0, "nothing was checked: {report:#}");
    let failed = report["results"]["failed_checks"].as_array().unwrap().iter();
    let id = |check: &Value| check["check_id"].as_str().unwrap().to_owned();
    assert_eq!(failed.map(id).collect::<BTreeSet<_>>(), reasons, "{:#}", report["results"]["failed_checks"]);
}
