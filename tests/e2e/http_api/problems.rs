//! Every refusal is a problem of the table, and strangers' pages are refused.

use axum::{Router, http::StatusCode, routing::get as route};
use serde_json::json;
use tests::{Server, client, numbered_picture};

use super::{analysis, coffee, detect, get, get_with, json, post, post_with, problem};

/// A loopback source that answers with the status that its path names.
async fn bad_source() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = async |axum::extract::Path(status): axum::extract::Path<u16>| StatusCode::from_u16(status).unwrap();
    let router = Router::new().route("/{status}", route(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_are_invalid_requests() {
    let server = Server::start::<_, &str>([]);
    let invalid = |request| problem(request, "invalid-request", 400);
    for uri in
        ["file:///etc/passwd", "s3://bucket/key", "ftp://a.example/b.png", "not a url", "http://", "//a.example/x"]
    {
        invalid(detect(&server, uri)).await;
    }
    let refused = invalid(detect(&server, "http://user:hunter2@example.com/a.png")).await;
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    let unknown = invalid(post_with(&server, coffee(), &[("features", "labels,hats")])).await;
    assert!(unknown["detail"].as_str().unwrap().contains("safe_search"), "the known ones are not listed: {unknown}");
    for (name, value) in
        [("maxLabels", "0"), ("maxLabels", "101"), ("maxLabels", "-1"), ("maxLabels", "x"), ("publish", "x")]
    {
        invalid(post_with(&server, coffee(), &[(name, value)])).await;
        invalid(get_with(&server, "/detect", &[(name, value)])).await;
    }
    let json_body = |body: &'static str| {
        client().post(server.at("/v1/images")).header("content-type", "application/json").body(body)
    };
    for body in ["", "{", "[]", "{}", r#"{"imageUri": 7}"#, r#"{"imageUri": "http://a.example/", "features": []}"#] {
        invalid(json_body(body)).await;
    }
    invalid(json_body(r#"{"imageUri": "http://a.example/a.png", "hats": true}"#)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_have_their_own_problems() {
    let server = Server::start::<_, &str>([]);
    problem(post(&server, "hello"), "unsupported-media", 415).await;
    problem(post(&server, ""), "unsupported-media", 415).await;
    problem(post(&server, b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()), "unsupported-media", 415).await;
    problem(post(&server, coffee()[..3000].to_vec()), "undecodable-image", 422).await;
    let mut huge = numbered_picture(1);
    huge[18..26].copy_from_slice(&[0x60, 0xEA, 0, 0, 0x60, 0xEA, 0, 0]);
    problem(post(&server, huge), "too-large", 413).await;
    let form = post(&server, "--x").header("content-type", "multipart/form-data; boundary=x");
    problem(form, "unsupported-media", 415).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_source_is_said_to_be_one() {
    let source = bad_source().await;
    let server = Server::start(["--allow-source", &source]);
    let ask = |status: u16| detect(&server, &format!("http://{source}/{status}"));
    problem(ask(404), "source-not-found", 404).await;
    problem(ask(410), "source-not-found", 404).await;
    problem(ask(500), "source-unavailable", 502).await;
    problem(ask(200), "unsupported-media", 415).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Server::start(["--allow-source", &gone]);
    problem(detect(&server, &format!("http://{gone}/a.png")), "source-unavailable", 502).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_ids_and_methods_are_said_to_be_so() {
    let server = Server::start::<_, &str>([]);
    problem(get(&server, "/nowhere"), "not-found", 404).await;
    problem(get(&server, "/v1/images/local-aaaaaaaaaaaaaaaaaaaaaaaaaa"), "not-found", 404).await;
    problem(get(&server, "/v1/images/..%2f..%2fetc"), "not-found", 404).await;
    let wrong = problem(client().delete(server.at("/detect")), "method-not-allowed", 405).await;
    assert_eq!(wrong["status"], 405);
    let allowed = client().patch(server.at("/v1/images")).send().await.unwrap();
    assert!(allowed.headers()["allow"].to_str().unwrap().contains("POST"));
    for path in ["/", "/health/live", "/health/ready", "/openapi.json", "/v1/images"] {
        let head = client().head(server.at(path)).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0), "HEAD {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_and_host_names_are_refused() {
    let server = Server::start::<_, &str>([]);
    let image = || post(&server, coffee());
    problem(image().header("host", "evil.example"), "forbidden", 403).await;
    problem(image().header("origin", "https://evil.example"), "forbidden", 403).await;
    problem(image().header("origin", "null"), "forbidden", 403).await;
    problem(image().header("origin", "http://127.0.0.1:1"), "forbidden", 403).await;
    problem(get(&server, "/events").header("sec-fetch-site", "cross-site"), "forbidden", 403).await;
    problem(get(&server, "/metrics").header("host", "localhost.evil.example"), "forbidden", 403).await;
    problem(client().put(server.at("/uploads/a.png")).header("origin", "https://evil.example"), "forbidden", 403).await;
    assert_eq!(analysis(get(&server, "/v1/images")).await["images"], json!([]), "a refused request left something");

    analysis(image().header("origin", server.url()).header("sec-fetch-site", "same-origin")).await;
    let named = server.address().replace("127.0.0.1", "localhost");
    analysis(image().header("host", named)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_keys_only_who_has_one_is_answered() {
    let server = Server::build().env("CROSSLENS_API_KEYS", "sixteen-letters-or-more").start();
    for path in ["/detect", "/v1/images", "/metrics", "/events", "/"] {
        problem(get(&server, path), "unauthenticated", 401).await;
        problem(get(&server, path).bearer_auth("sixteen-letters-or-mora"), "unauthenticated", 401).await;
    }
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        json(get(&server, path).send().await.unwrap(), 200).await;
    }
    analysis(post(&server, coffee()).bearer_auth("sixteen-letters-or-more")).await;
    assert!(!server.stderr().contains("sixteen"), "a key is in the log");
}
