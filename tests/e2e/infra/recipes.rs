//! The recipes of the `justfile`, run with stand-ins for everything that would reach a cloud: which programs they call, in which
//! order and with which arguments.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tests::{Ended, sam_python, workspace_root};

const PROGRAMS: [&str; 7] = ["aws", "cargo", "curl", "docker", "gcloud", "sam", "terraform"];
const RUNNING: &str = "the-repository/detector-gcp@sha256:old";
const CONFIGURE: &str = "terraform [-chdir=infra/gcp] [init] [-input=false]";
const CHOOSE: &str = "terraform [-chdir=infra/gcp] [workspace] [select] [-or-create] [try]";
const LABELS: &str = "Image Results: espresso, cup";

/// One run of `just`.
struct Recipe {
    ended: Ended,
    calls: Vec<String>,
}

impl Recipe {
    /// With a stage that runs already, or with none; and what the smoke test is told.
    fn run(arguments: &[&str], running: &str, said: &str) -> Self {
        let own = TempDir::new().unwrap();
        let stand_in = own.path().join("stand-in");
        fs::copy(workspace_root().join("tests/e2e/infra/cloud_stand_in.sh"), &stand_in).unwrap();
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
        let programs = own.path().join("bin");
        fs::create_dir(&programs).unwrap();
        for program in PROGRAMS {
            symlink(&stand_in, programs.join(program)).unwrap();
        }
        let calls = own.path().join("calls");
        let mut just = Command::new(just());
        just.arg("--yes").args(arguments).current_dir(workspace_root());
        just.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).env("CALLS", &calls);
        just.env("IMAGE", running).env("SAID", said).env_remove("CANARY").env_remove("TRAFFIC");
        let ended = Ended::from(just.output().unwrap());
        let calls = fs::read_to_string(calls).unwrap_or_default();
        Self { ended, calls: calls.lines().map(str::to_owned).collect() }
    }

    fn passed(arguments: &[&str], running: &str) -> Self {
        let recipe = Self::run(arguments, running, LABELS);
        assert_eq!(recipe.ended.code, 0, "{arguments:?}: {}\n{:#?}", recipe.ended.stderr, recipe.calls);
        recipe
    }

    /// The calls that change something, without what only asks.
    fn effects(&self) -> Vec<&str> {
        let asks =
            ["[output]", "describe", "[get-alias]", "list", "[wait]", "[export-credentials]", "[print-identity-token]"];
        let changes = self.calls.iter().filter(|call| !asks.iter().any(|ask| call.contains(ask)));
        changes.map(String::as_str).filter(|call| *call != CONFIGURE && *call != CHOOSE).collect()
    }
}

fn just() -> std::path::PathBuf {
    sam_python().with_file_name("just")
}

/// That these calls begin so, one by one.
fn check(calls: &[&str], expected: &[&str]) {
    let matches =
        calls.len() == expected.len() && calls.iter().zip(expected).all(|(call, begin)| call.starts_with(begin));
    assert!(matches, "{calls:#?}\nare not\n{expected:#?}");
}

#[test]
fn the_justfile_is_formatted_and_every_recipe_is_honest() {
    let format =
        Command::new(just()).args(["--fmt", "--check", "--unstable"]).current_dir(workspace_root()).output().unwrap();
    assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stdout));
    let text = fs::read_to_string(workspace_root().join("justfile")).unwrap();
    let scripts: Vec<&str> = text.split("#!/usr/bin/env bash\n").skip(1).collect();
    assert!(scripts.len() > 10);
    for script in scripts {
        assert!(script.trim_start().starts_with("set -euo pipefail\n"), "{script}");
    }
    let test = Recipe::passed(&["test"], "");
    let readme = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    assert_eq!(test.calls, ["cargo [test] [--release] [--workspace]"]);
    assert!(readme.contains("cargo test --release --workspace"));
}

#[test]
fn a_new_stage_is_planned_and_priced_then_made_from_google_to_a_picture() {
    let made = Recipe::passed(&["deploy", "try", "eu-central-1"], "");
    check(
        &made.effects(),
        &[
            "terraform [-chdir=infra/gcp] [plan] [-input=false] [-var=stage=try] [-var=aws_region=eu-central-1]",
            "terraform [-chdir=infra/gcp] [apply] [-input=false] [-auto-approve] [-target=google_artifact_registry_repository.images]",
            "gcloud [auth] [configure-docker] [the-repository]",
            "docker [build] [--platform] [linux/amd64] [--file] [detector-gcp/Dockerfile]",
            "docker [push] [the-repository/detector-gcp:try]",
            "terraform [-chdir=infra/gcp] [apply] [-input=false] [-auto-approve] [-var=stage=try] [-var=aws_region=eu-central-1] \
             [-var] [image=the-repository/detector-gcp@sha256:new]",
            "cargo [lambda] [build] [--profile] [lambda] [--arm64] [--package] [proxy-aws]",
            "sam [deploy] [--template-file] [infra/aws/template.yaml] [--stack-name] [crosslens-try] [--region] [eu-central-1]",
            "curl [--config] [-]",
            "curl was told by stdin: user = \"a-key:a-secret\"",
            "curl was told by stdin: header = \"x-amz-security-token: a-session\"",
        ],
    );
    let sam = made.calls.iter().find(|call| call.starts_with("sam ")).unwrap();
    for part in
        ["[Stage=try]", "[Canary=on]", "[Detectors=the-url]", "[GoogleCredentials=\"the-credential_configuration\"]"]
    {
        assert!(sam.contains(part), "{sam} lacks {part}");
    }
    let asked = made.calls.iter().find(|call| call.starts_with("curl [")).unwrap();
    assert!(
        asked.contains("[aws:amz:eu-central-1:lambda]") && asked.ends_with("[https://url.example/detect]"),
        "{asked}"
    );
    assert!(!asked.contains("a-secret"), "{asked} can be read by everybody on the machine");
    assert!(
        made.ended.stdout.contains("About 2.20 USD") && made.ended.stdout.contains(LABELS),
        "{}",
        made.ended.stdout
    );
    let (price, google) = (made.ended.stdout.find("USD"), made.ended.stdout.find("Image Results"));
    assert!(price < google);
}

#[test]
fn what_runs_is_kept_running_by_a_plan() {
    let plan = Recipe::passed(&["plan", "try", "eu-central-1"], RUNNING);
    check(
        &plan.effects(),
        &[
            &format!(
                "terraform [-chdir=infra/gcp] [plan] [-input=false] [-var=stage=try] [-var=aws_region=eu-central-1] [-var=image={RUNNING}]"
            ),
            "cargo [lambda] [build]",
            "sam [deploy]",
        ],
    );
    assert!(plan.calls.last().unwrap().contains("[--no-execute-changeset]"), "{:?}", plan.calls);
}

#[test]
fn a_stage_that_does_not_label_fails_the_deployment() {
    let smoke = Recipe::run(&["smoke", "try", "eu-central-1"], RUNNING, "Image Results: ");
    assert_ne!(smoke.ended.code, 0);
    assert!(smoke.ended.stderr.contains("does not label"), "{}", smoke.ended.stderr);
}

#[test]
fn one_function_is_deployed_called_and_read_on_either_cloud() {
    let at = ["try", "eu-central-1"];
    let run = |recipe: &str, more: &[&str]| {
        let mut arguments = vec![recipe, at[0], at[1]];
        arguments.extend(more);
        Recipe::passed(&arguments, RUNNING)
    };
    check(
        &run("deploy-function", &["http"]).effects(),
        &[
            "cargo [lambda] [build]",
            "aws [lambda] [update-function-code] [--function-name] [crosslens-try-http] [--region] [eu-central-1] [--publish]",
            "aws [lambda] [update-alias] [--function-name] [crosslens-try-http] [--region] [eu-central-1] [--name] [live] \
             [--function-version] [11]",
        ],
    );
    let detector = run("deploy-function", &["detector"]);
    let last = "gcloud [run] [services] [update] [crosslens-detector] [--image] [the-repository/detector-gcp@sha256:new] \
                [--project=the-project] [--region=the-region]";
    assert_eq!(detector.calls.last().unwrap(), last);

    let event = workspace_root().join("justfile");
    let event = event.to_str().unwrap();
    let invoked = run("invoke", &["uploads", event]);
    assert!(invoked.ended.stdout.contains("{\"answer\": 1}"), "{}", invoked.ended.stdout);
    let begin = format!(
        "aws [lambda] [invoke] [--function-name] [crosslens-try-uploads:live] [--region] [eu-central-1] [--payload] [fileb://{event}]"
    );
    check(&invoked.effects(), &[&begin]);
    let asked = run("invoke", &["detector", event]);
    assert!(asked.calls.contains(&"curl was told by stdin: header = \"Authorization: Bearer a-token\"".to_owned()));
    assert!(asked.calls.iter().all(|call| !call.starts_with("curl [") || !call.contains("a-token")));

    let logs = |more: &[&str]| run("logs", more).calls.last().unwrap().clone();
    assert_eq!(
        logs(&["sweep"]),
        "aws [logs] [tail] [/aws/lambda/crosslens-try-sweep] [--region] [eu-central-1] [--since] [1h]"
    );
    assert!(logs(&["sweep", "-f"]).ends_with("[--since] [1h] [--follow]"));
    assert!(logs(&["detector"]).starts_with("gcloud [run] [services] [logs] [read] [crosslens-detector]"));
    assert!(logs(&["detector", "-f"]).starts_with("gcloud [beta] [run] [services] [logs] [tail] [crosslens-detector]"));
}

#[test]
fn a_rollback_goes_to_what_answered_before() {
    let back = Recipe::passed(&["rollback", "try", "eu-central-1"], RUNNING);
    let alias = |function: &str| {
        format!(
            "aws [lambda] [update-alias] [--function-name] [crosslens-try-{function}] [--region] [eu-central-1] [--name] [live] \
             [--function-version] [9] [--routing-config] [AdditionalVersionWeights={{}}]"
        )
    };
    check(
        &back.effects(),
        &[
            &alias("http"),
            &alias("uploads"),
            &alias("backfill"),
            &alias("sweep"),
            &alias("moderation"),
            &alias("translation"),
            &alias("write-back"),
            &alias("notify"),
            "gcloud [run] [services] [update-traffic] [crosslens-detector] [--to-revisions] [a=100] [--project=the-project]",
        ],
    );
}

#[test]
fn a_stage_ends_on_both_clouds_and_only_after_a_yes() {
    let ended = Recipe::passed(&["destroy", "try", "eu-central-1"], RUNNING);
    check(
        &ended.effects(),
        &[
            "sam [delete] [--stack-name] [crosslens-try] [--region] [eu-central-1] [--no-prompts]",
            "terraform [-chdir=infra/gcp] [destroy] [-input=false] [-auto-approve] [-var=stage=try]",
        ],
    );
    let mut unsure = Command::new(just());
    unsure.args(["destroy", "try", "eu-central-1"]).current_dir(workspace_root()).env("PATH", "/usr/bin:/bin");
    let unsure = unsure.stdin(Stdio::null()).output().unwrap();
    assert!(!unsure.status.success());
}

#[test]
fn an_argument_is_never_a_command() {
    let folder = TempDir::new().unwrap();
    let trap = folder.path().join("sprung");
    let evil = format!("x; touch {}", trap.display());
    let also = format!("$(touch {})", trap.display());
    for arguments in [
        ["deploy", &evil, "eu-central-1"].as_slice(),
        &["deploy", "try", &also],
        &["logs", "try", "eu-central-1", &also],
        &["rollback", "try", "eu-central-1", &evil],
    ] {
        let refused = Recipe::run(arguments, RUNNING, LABELS);
        assert_ne!(refused.ended.code, 0, "{arguments:?}");
        assert!(refused.effects().is_empty(), "{arguments:?}: {:#?}", refused.calls);
    }
    assert!(!Path::new(&trap).exists(), "an argument was run");
}
