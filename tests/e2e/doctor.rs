//! `crosslens doctor`, and `crosslens --detector vision`, whose Vision is the face of `detector-gcp` with the embedded model
//! behind it, or the stand-in where Vision has to fail.

use serde_json::Value;
use tests::{Cli, Detector, Ended, Reply, VisionStandIn, model_cache, photo};

/// A call with Vision at this URL, which asks for no credentials.
fn with_vision(url: &str, args: &[&str]) -> (Cli, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let cli = Cli::new(args)
        .args(["--detector", "vision", "--data"])
        .arg(data.path())
        .env("CROSSLENS_VISION_ENDPOINT", url)
        .env("CROSSLENS_VISION_CREDENTIALS", "none");
    (cli, data)
}

/// A call of the local mode, on this machine's own model, with a home that holds nothing.
fn local(args: &[&str]) -> (Cli, tempfile::TempDir) {
    model_cache();
    let home = tempfile::tempdir().unwrap();
    let cli = Cli::new(args).arg("--data").arg(home.path().join("data"));
    (cli.env("CROSSLENS_CACHE", tests::cache_dir()).env("HOME", home.path()), home)
}

fn checks(ended: &Ended) -> Vec<(String, String)> {
    let checks: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    checks.iter().map(|check| (text(check, "name"), text(check, "state"))).collect()
}

fn state<'a>(checks: &'a [(String, String)], name: &str) -> &'a str {
    &checks.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {checks:?}")).1
}

#[test]
fn a_machine_without_an_account_is_well() {
    let (cli, _home) = local(&["doctor"]);
    let ended = cli.run();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("sample.jpg is espresso"), "{}", ended.stdout);
    let (cli, _home) = local(&["doctor", "--json"]);
    let checks = checks(&cli.run());
    for (name, expected) in [("model", "ok"), ("ledger", "ok"), ("credentials", "unused"), ("image", "ok")] {
        assert_eq!(state(&checks, name), expected, "{name}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_to_do_and_nothing_is_fetched() {
    let (cli, home) = local(&["doctor"]);
    let ended = cli.env("CROSSLENS_CACHE", home.path().join("empty")).run();
    assert_eq!(ended.code, 1);
    assert!(
        ended.stdout.contains("FAILED  model") && ended.stdout.contains("crosslens model pull"),
        "{}",
        ended.stdout
    );
    assert!(!home.path().join("empty").exists());
    let file = home.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let ended = Cli::new(["doctor", "--data"]).arg(&file).run();
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("FAILED  ledger") && ended.stdout.contains("--data"), "{}", ended.stdout);
}

#[test]
fn credentials_are_told_by_name_and_never_by_their_secret() {
    let (cli, home) = local(&["doctor"]);
    let file = home.path().join("key.json");
    let text = r#"{"type": "service_account", "client_email": "me@shop.example", "project_id": "shop", "private_key": "hunter2"}"#;
    std::fs::write(&file, text).unwrap();
    let ended = cli.env("GOOGLE_APPLICATION_CREDENTIALS", &file).run();
    assert!(ended.stdout.contains("me@shop.example (service_account), paid by shop"), "{}", ended.stdout);
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vision_that_refuses_us_is_told_with_googles_words() {
    let vision = VisionStandIn::start().await;
    let (cli, _data) = with_vision(&vision.url(), &["doctor", "--json"]);
    let ended = tokio::task::spawn_blocking(|| cli.run()).await.unwrap();
    let checks = checks(&ended);
    assert_eq!((ended.code, state(&checks, "vision"), state(&checks, "image")), (0, "ok", "ok"), "{}", ended.stdout);
    vision.always(Reply::Status(403, None));
    let (cli, _data) = with_vision(&vision.url(), &["doctor"]);
    let ended = tokio::task::spawn_blocking(|| cli.run()).await.unwrap();
    assert_eq!(ended.code, 1);
    for part in ["FAILED  vision", "as it was told", "gcloud services enable"] {
        assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
}

#[test]
fn label_asks_vision_with_the_same_adapter() {
    let face = Detector::local().start();
    let (cli, _data) = with_vision(face.url(), &["label", "--format", "json"]);
    let ended = cli.arg(photo("coffee.png")).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let answer = answer.get(0).unwrap_or(&answer);
    assert_eq!(answer["provider"], "google-vision");
    assert_eq!(answer["labels"][0]["description"], "espresso");
    assert_eq!(answer["billedUnits"]["labels"], 1);
}
