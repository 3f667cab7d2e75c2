//! What an operator sees: ids, traces, timing, logs, metrics, and a description that others can read.

use std::process::Command;

use tests::{Events, Server, client, numbered_picture, python};

use super::{analysis, detect, get, json, post, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_followed_from_its_caller_to_its_event() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let traced = post(&server, numbered_picture(1))
        .header("x-request-id", "shop-42")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let response = traced.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "shop-42");
    assert!(response.headers()["server-timing"].to_str().unwrap().contains("dur="));
    let found = json(response, 200).await;
    assert_eq!(found["requestId"], "shop-42");
    let sent = events.next().await;
    let traceparent = sent.event["traceparent"].as_str().unwrap();
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")), "{traceparent}");
    assert!(!traceparent.contains("00f067aa0ba902b7"), "the caller's span is given out as our own: {traceparent}");

    let log = server.stderr();
    let line = log.lines().find(|line| line.contains("shop-42")).unwrap_or_else(|| panic!("not logged: {log}"));
    assert!(line.contains(TRACE), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_would_spoil_a_log_is_replaced() {
    let server = Server::start::<_, &str>([]);
    for hostile in ["a b", "<script>", &"x".repeat(65), "id=\"1\"", ""] {
        let response = get(&server, "/health/live").header("x-request-id", hostile).send().await.unwrap();
        assert_ne!(response.headers()["x-request-id"], hostile);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_metrics_hold_no_query_and_no_path_of_a_stranger() {
    let server = Server::start::<_, &str>([]);
    let uri = "http://127.0.0.1/secret-folder/a.png?token=hunter2";
    detect(&server, uri).send().await.unwrap();
    for path in ["/stranger-1", "/stranger-2?token=hunter2", "/uploads/stranger-3"] {
        problem(get(&server, path), if path.starts_with("/uploads") { "method-not-allowed" } else { "not-found" }, {
            if path.starts_with("/uploads") { 405 } else { 404 }
        })
        .await;
    }
    client().request("HUNT".parse().unwrap(), server.at("/detect")).send().await.unwrap();
    post(&server, numbered_picture(1)).send().await.unwrap();

    let metrics = get(&server, "/metrics").send().await.unwrap().text().await.unwrap();
    for wanted in
        ["crosslens_http_requests_total", "crosslens_http_request_seconds", "route=\"/v1/images\"", "status=\"200\""]
    {
        assert!(metrics.contains(wanted), "{wanted} is not in {metrics}");
    }
    for (place, text) in [("metrics", metrics), ("log", server.stderr())] {
        for secret in ["hunter2", "stranger-", "secret-folder", "HUNT\""] {
            assert!(!text.contains(secret), "{secret} is in the {place}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_where_that_is_asked_for() {
    let server = Server::build().env("CROSSLENS_LOG", "json").start();
    analysis(post(&server, numbered_picture(1))).await;
    let log = server.stderr();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(lines.iter().any(|line| line.to_string().contains("/v1/images")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_valid_and_names_every_public_route() {
    let server = Server::start::<_, &str>([]);
    let text = get(&server, "/openapi.json").send().await.unwrap().text().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in
        ["/detect", "/v1/images", "/v1/images/{id}", "/v1/detect", "/v1/collections", "/health/live", "/health/ready"]
    {
        assert!(document["paths"].get(path).is_some(), "{path} is not described");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, text).unwrap();
    let judge = "import json, sys, openapi_spec_validator as judge; judge.validate(json.load(open(sys.argv[1])))";
    let output = Command::new(python()).args(["-c", judge]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
