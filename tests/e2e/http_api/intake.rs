//! A picture in, labels out: every synchronous way.

use serde_json::json;
use tests::{Server, client, numbered_picture, serve_picture};

use super::{analysis, best, coffee, detect, get, get_with, json, post, post_with, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_labelled_by_its_url() {
    let picture = serve_picture(coffee(), "image/png").await;
    let server = Server::start(["--allow-source", &picture.source()]);
    let uri = format!("{}?token=hidden", picture.url());

    let request = || get_with(&server, "/detect", &[("imageUri", &uri), ("maxLabels", "1")]);
    let response = request().send().await.unwrap();
    assert_eq!(response.headers()["x-crosslens-provider"], "local");
    assert_eq!(response.headers()["x-crosslens-cloud"], "local");
    let detected = json(response, 200).await;
    assert_eq!(detected["report"], "Smooth sailing!");
    assert_eq!(detected["imageAnalyzed"], picture.url());
    assert!(detected["message"].as_str().unwrap().starts_with("Image Results: espresso"), "{detected}");
    assert_eq!(best(&detected["analysis"]), "espresso");
    assert_eq!(detected["analysis"]["labels"].as_array().unwrap().len(), 1);
    assert_eq!(detected["analysis"]["source"], picture.url());
    assert!(!detected.to_string().contains("hidden"), "a query is kept");

    let text = request().header("accept", "text/plain").send().await.unwrap();
    assert!(text.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(text.text().await.unwrap(), detected["message"].as_str().unwrap());

    let body = json!({ "imageUri": picture.url(), "features": ["labels", "faces"], "maxLabels": 2 });
    let posted = analysis(client().post(server.at("/v1/images")).json(&body)).await;
    assert_eq!((best(&posted), &posted["unsupported"]), ("espresso", &json!(["faces"])));
    assert!(posted.get("faces").is_none(), "what cannot be told is not an empty list: {posted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_address_is_not_opened_and_the_flag_that_would_is_named() {
    let picture = serve_picture(coffee(), "image/png").await;
    let server = Server::start::<_, &str>([]);
    let problem = problem(detect(&server, &picture.url()), "source-blocked", 403).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("--allow-source {}", picture.source())), "{detail}");
    assert_eq!(picture.requests(), 0, "a blocked source was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_stands_in_where_no_url_is_given() {
    let server = Server::start::<_, &str>([]);
    let detected = analysis(get(&server, "/detect")).await;
    let name = detected["imageAnalyzed"].as_str().unwrap();
    assert_eq!(detected["report"], format!("No imageUri param passed. Using {name} as imageUri"));
    assert!(!best(&detected["analysis"]).is_empty());
    let sample = get(&server, "/sample").send().await.unwrap();
    assert!(sample.headers()["content-type"].to_str().unwrap().starts_with("image/"));
    let posted = analysis(post(&server, sample.bytes().await.unwrap())).await;
    assert_eq!(posted["digest"], detected["analysis"]["digest"], "the sample that is served is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_the_body_are_labelled() {
    let server = Server::start::<_, &str>([]);
    let found = analysis(post_with(&server, coffee(), &[("features", "labels,safe_search"), ("maxLabels", "2")])).await;
    assert_eq!(best(&found), "espresso");
    assert_eq!(
        (&found["mediaType"], &found["width"], &found["height"]),
        (&json!("image/png"), &json!(600), &json!(400))
    );
    assert_eq!(found["unsupported"], json!(["safe_search"]));
    assert!(found.get("safeSearch").is_none() && found.get("source").is_none(), "{found}");
    assert!(found["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(found["labels"].as_array().unwrap().len(), 2);
    let scores: Vec<f64> =
        found["labels"].as_array().unwrap().iter().map(|label| label["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");

    let declared_wrongly = analysis(post(&server, coffee()).header("content-type", "image/gif")).await;
    assert_eq!(declared_wrongly["mediaType"], "image/png", "the type counts by content");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_detector_route_keeps_nothing() {
    let server = Server::start::<_, &str>([]);
    let found = analysis(client().post(server.at("/v1/detect")).body(numbered_picture(1))).await;
    assert!(found["labels"].is_array());
    let id = found["id"].as_str().unwrap();
    problem(get(&server, &format!("/v1/images/{id}")), "not-found", 404).await;
}
