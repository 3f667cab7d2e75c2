//! `infra/`, the recipes and the detector's Dockerfile, which no test can apply at a cloud: formatted, readable, linted, and
//! held to what they promise about who may call, what is passed and what it may cost.

mod aws;
mod configuration;
mod linters;
mod recipes;
mod workflow;

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;
use tests::workspace_root;
use walkdir::{DirEntry, WalkDir};

use configuration::Configuration;

const DOCKERFILE: &str = "detector-gcp/Dockerfile";
/// What the service on Cloud Run cannot do without.
const SETTINGS: [&str; 6] = [
    "CROSSLENS_ALLOW_CALLER",
    "CROSSLENS_AUDIENCE",
    "CROSSLENS_DETECTOR",
    "CROSSLENS_QUOTA_PER_MINUTE",
    "CROSSLENS_UNITS_PER_DAY",
    "GOOGLE_CLOUD_PROJECT",
];

#[test]
fn only_the_proxy_may_call() {
    let all = Configuration::read();
    for (path, text) in terraform() {
        for forbidden in ["allUsers", "allAuthenticatedUsers", "invoker_iam_disabled", "google_service_account_key"] {
            assert!(!text.contains(forbidden), "{}: {forbidden} has no place here", path.display());
        }
    }
    let invokers: Vec<_> = all
        .resources()
        .filter(|(kind, _, _)| kind.starts_with("cloud_run_v2_service_iam_"))
        .map(|(kind, _, body)| (kind, &body["role"], &body["member"]))
        .collect();
    let proxy = Value::from("${google_service_account.proxy.member}");
    assert_eq!(invokers, [("cloud_run_v2_service_iam_member", &Value::from("roles/run.invoker"), &proxy)]);

    let on_project: Vec<_> =
        all.resources().filter(|(kind, _, _)| kind.starts_with("project_iam_")).map(|(_, _, body)| body).collect();
    assert_eq!(on_project.len(), 1, "{on_project:#?}");
    assert_eq!(on_project[0]["role"], "roles/serviceusage.serviceUsageConsumer");

    let provider = all.resource("iam_workload_identity_pool_provider", "aws");
    assert_eq!(provider["attribute_condition"], "attribute.aws_role in ${jsonencode(local.aws_sessions)}");
    let sessions = all.local("aws_sessions").as_str().unwrap();
    assert!(sessions.contains("for role in local.aws_roles"), "{sessions}");
    assert!(sessions.contains("arn:aws:sts::${var.aws_account_id}:assumed-role/${role}"), "{sessions}");
    let credentials = all.output("credential_configuration");
    assert!(credentials.contains("aws4_request") && !credentials.contains("imdsv2"), "{credentials}");
    assert!(credentials.contains("service_account_impersonation_url"), "{credentials}");
}

#[test]
fn the_service_gets_what_it_needs_and_costs_nothing_at_rest() {
    let all = Configuration::read();
    let settings = all.local("settings").as_object().unwrap();
    let mut names: Vec<&str> = settings.keys().map(String::as_str).filter(|name| !name.starts_with("__")).collect();
    names.sort_unstable();
    assert_eq!(names, SETTINGS);
    assert_eq!(settings["CROSSLENS_AUDIENCE"], "${local.url}");
    assert_eq!(settings["CROSSLENS_ALLOW_CALLER"], "${google_service_account.proxy.email}");
    let share = settings["CROSSLENS_QUOTA_PER_MINUTE"].as_str().unwrap();
    assert!(share.contains("var.vision_images_per_minute / var.max_instances"), "{share}");

    let service = all.resource("cloud_run_v2_service", "detector");
    let (template, scaling) = (&service["template"][0], &service["scaling"][0]);
    let container = &template["containers"][0];
    assert_eq!(container["dynamic"][0]["env"]["for_each"], "${local.settings}");
    assert_eq!(container["startup_probe"][0]["http_get"][0]["path"], "/health/ready");
    assert_eq!(container["liveness_probe"][0]["http_get"][0]["path"], "/health/live");
    assert_eq!(container["resources"][0]["cpu_idle"], true);
    assert_eq!(template["service_account"], "${google_service_account.detector.email}");
    assert_eq!(template["max_instance_request_concurrency"], "${var.concurrency}");
    assert_eq!(scaling["min_instance_count"], "${var.min_instances}");
    assert_eq!(scaling["max_instance_count"], "${var.max_instances}");
    assert_eq!(all.block("variable", "min_instances")["default"], 0);
    let bill = all.output("largest_daily_bill_usd");
    assert!(bill.contains("var.max_instances * var.units_per_day * 1.5"), "{bill}");
}

#[test]
fn the_dockerfile_builds_what_is_there() {
    let text = fs::read_to_string(workspace_root().join(DOCKERFILE)).unwrap();
    let manifest =
        |path: &str| -> toml::Table { fs::read_to_string(workspace_root().join(path)).unwrap().parse().unwrap() };
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |flag: &str| words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1]).collect::<Vec<_>>();
    assert_eq!(after("--package"), ["detector-gcp", "cli"]);
    let features = &manifest("detector-gcp/Cargo.toml")["features"];
    for feature in ["turbojpeg", "local"] {
        assert!(text.contains(feature) && features.get(feature).is_some(), "no feature {feature}");
    }
    let rust = manifest("Cargo.toml")["workspace"]["package"]["rust-version"].as_str().unwrap().to_owned();
    let bases = after("FROM");
    assert!(bases[0].starts_with(&format!("${{RUST_FROM}}rust:{rust}.")), "{bases:?}, not Rust {rust}");
    assert!(bases.iter().all(|base| base.starts_with("${")), "{bases:?} name where images come from");
    assert_eq!(after("USER"), ["65532:65532"]);
    assert!(!text.contains("allow-unauthenticated"));
}

/// The text of every Terraform file, by its path; without what `terraform init` puts into hidden folders.
fn terraform() -> BTreeMap<PathBuf, String> {
    let seen = |file: &DirEntry| !file.file_name().to_string_lossy().starts_with('.');
    let files = WalkDir::new(workspace_root().join("infra")).into_iter().filter_entry(seen);
    let files = files.map(|file| file.unwrap().into_path());
    let found: BTreeMap<_, _> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "tf"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!found.is_empty(), "there is no Terraform");
    found
}
