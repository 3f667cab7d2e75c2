//! The Vision-compatible face of `detector-gcp`, judged by Google's Python client and by our own Vision adapter.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use axum::{Json, Router, routing::post};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tests::{Detector, client, numbered_picture, photo, python, serve_picture, workspace_root};

/// Google's limit for a body.
const MAX_BODY: usize = 41_943_040;

async fn annotate(detector: &Detector, query: &str, call: impl Into<String>) -> (u16, Value) {
    let request = client().post(detector.at(&format!("/v1/images:annotate{query}"))).body(call.into());
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn content(bytes: &[u8]) -> Value {
    json!({ "content": BASE64.encode(bytes) })
}

fn ask(image: Value, features: &[&str]) -> Value {
    let features: Vec<Value> = features.iter().map(|kind| json!({ "type": kind })).collect();
    json!({ "image": image, "features": features })
}

async fn detect(detector: &Detector, bytes: Vec<u8>) -> (u16, Value) {
    let request = client().post(detector.at("/v1/detect")).body(bytes);
    let answer = request.header("content-type", "application/octet-stream").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Half of a real photograph: its header is whole.
fn half() -> Vec<u8> {
    let bytes = fs::read(photo("coffee.png")).unwrap();
    bytes[..bytes.len() / 2].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_own_client_finds_espresso() {
    let picture = serve_picture(fs::read(photo("coffee.png")).unwrap(), "image/png").await;
    let detector = Detector::local().args(["--allow-source", &picture.source()]).start();
    let script = workspace_root().join("tests/e2e/vision_face/client.py");
    let mut client = Command::new(python());
    client.arg(script).arg(detector.address()).arg(photo("coffee.png")).arg(picture.url()).env("NO_PROXY", "*");
    let output = client.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(told["content"]["labels"][0], "espresso", "{told}");
    assert_eq!(told["uri"], told["content"]);
    assert_eq!(picture.requests(), 1, "the picture behind the URL was fetched");
    assert!(told["content"]["labels"].as_array().unwrap().len() > 1, "{told}");
    assert_eq!(told["best"]["labels"], json!(["espresso"]), "one result was wanted");
    let [broken, whole] = told["batch"].as_array().unwrap().as_slice() else { panic!("two answers: {told}") };
    assert_eq!((&broken["code"], &broken["labels"]), (&json!(3), &json!([])));
    assert_eq!((&whole["code"], &whole["labels"][0]), (&json!(0), &json!("espresso")));
    assert_eq!(whole["safeSearch"], false, "the model cannot tell, and does not pretend to");
    // What this client makes of any 400; the message is Google's.
    assert_eq!(told["incomplete"]["type"], "BadRequest", "{told}");
    let message = told["incomplete"]["message"].as_str().unwrap();
    assert!(message.ends_with("Request must specify image and features."), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_adapter_takes_it_for_vision() {
    let face = Detector::local().start();
    let adapter = Detector::vision(face.url()).start();
    let (status, analysis) = detect(&adapter, fs::read(photo("coffee.png")).unwrap()).await;
    assert_eq!(status, 200, "{analysis}");
    assert_eq!(analysis["provider"], "google-vision");
    assert_eq!(analysis["labels"][0]["description"], "espresso");

    // Small enough to be sent on unopened: it is the face that finds out.
    let (status, problem) = detect(&adapter, half()).await;
    assert_eq!((status, &problem["detail"]), (422, &json!("Vision cannot decode the image")), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_images_fault_is_its_own() {
    let picture = serve_picture(fs::read(photo("coffee.png")).unwrap(), "image/png").await;
    let detector = Detector::local().start();
    let coffee = || content(&fs::read(photo("coffee.png")).unwrap());
    let at = |uri: &str| json!({ "source": { "imageUri": uri } });
    let labels = &["LABEL_DETECTION"];
    let call = json!({ "requests": [
        ask(coffee(), labels),
        ask(content(b"no picture at all"), labels),
        ask(content(&half()), labels),
        ask(at(&picture.url()), labels),
        ask(at("gs://bucket/coffee.png"), labels),
        ask(at("file:///etc/passwd"), labels),
        ask(coffee(), &["LOGO_DETECTION", "FACE_DETECTION"]),
        ask(coffee(), &["LOGO_DETECTION", "FACE_DETECTION", "LABEL_DETECTION"]),
    ]});
    let (status, answer) = annotate(&detector, "", call.to_string()).await;
    assert_eq!(status, 200);
    let responses = answer["responses"].as_array().unwrap();
    let codes: Vec<i64> = responses.iter().map(|one| one["error"]["code"].as_i64().unwrap_or(0)).collect();
    assert_eq!(codes, [0, 3, 3, 7, 12, 3, 12, 0], "{answer}");
    for told in [&responses[0], &responses[7]] {
        assert_eq!(told["labelAnnotations"][0]["description"], "espresso");
        assert_eq!(told.as_object().unwrap().len(), 1, "only what was told is there: {told}");
    }
    let untold = responses[6]["error"]["message"].as_str().unwrap();
    assert!(untold.contains("LOGO_DETECTION, FACE_DETECTION"), "{untold}");
    assert_eq!(picture.requests(), 0, "nothing was sent to the blocked address");
}

/// The embedded model tells nothing that has an enum. A Vision that always sees the same does.
#[tokio::test(flavor = "multi_thread")]
async fn enums_are_told_as_they_are_asked_for() {
    let vertices = json!([{}, { "x": 4 }, { "x": 4, "y": 2 }, { "y": 2 }]);
    let seen = json!({ "responses": [{
        "safeSearchAnnotation": { "adult": 1, "spoof": 1, "medical": 2, "violence": 3, "racy": 5 },
        "faceAnnotations": [{ "boundingPoly": { "vertices": vertices }, "detectionConfidence": 0.5 }],
    }]});
    let vision = Router::new().route("/v1/images:annotate", post(async move || Json(seen)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, vision).await });
    let detector = Detector::vision(&url).start();

    let image = content(&numbered_picture(1));
    let names = json!({ "requests": [ask(image.clone(), &["SAFE_SEARCH_DETECTION", "FACE_DETECTION"])] });
    let integers = json!({ "requests": [{ "image": image, "features": [{ "type": 6 }, { "type": 1 }] }] });
    let (_, in_names) = annotate(&detector, "", integers.to_string()).await;
    let (_, in_integers) = annotate(&detector, "?%24alt=json%3Benum-encoding%3Dint", names.to_string()).await;
    let safe_search = |answer: &Value| answer["responses"][0]["safeSearchAnnotation"].clone();
    let (spoof, medical) = ("VERY_UNLIKELY", "UNLIKELY");
    assert_eq!(
        safe_search(&in_names),
        json!({ "adult": spoof, "spoof": spoof, "medical": medical, "violence": "POSSIBLE", "racy": "VERY_LIKELY" }),
        "{in_names}"
    );
    assert_eq!(
        safe_search(&in_integers),
        json!({ "adult": 1, "spoof": 1, "medical": 2, "violence": 3, "racy": 5 }),
        "{in_integers}"
    );
    let face = &in_names["responses"][0]["faceAnnotations"][0];
    let corners = json!([{ "x": 0, "y": 0 }, { "x": 4, "y": 0 }, { "x": 4, "y": 2 }, { "x": 0, "y": 2 }]);
    assert_eq!((&face["fdBoundingPoly"]["vertices"], &face["detectionConfidence"]), (&corners, &json!(0.5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_read_fails_as_google_fails() {
    let detector = Detector::local().start();
    let one = ask(content(&numbered_picture(1)), &["LABEL_DETECTION"]);
    let without_features = json!({ "requests": [one, { "image": content(b"x") }] });
    let unknown = json!({ "requests": [ask(content(b"x"), &["HAT_DETECTION"])] });
    for call in [
        String::new(),
        "{".to_owned(),
        "{}".to_owned(),
        json!({ "requests": vec![one; 17] }).to_string(),
        without_features.to_string(),
        unknown.to_string(),
    ] {
        let (status, answer) = annotate(&detector, "", call.clone()).await;
        let error = &answer["error"];
        assert_eq!((status, &error["code"]), (400, &json!(400)), "{call}: {answer}");
        assert_eq!(error["status"], "INVALID_ARGUMENT", "{call}: {answer}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{call}: {answer}");
    }

    // Refused by what its head says, before any of it is sent.
    let mut socket = TcpStream::connect(detector.address()).unwrap();
    let head = "POST /v1/images:annotate HTTP/1.1\r\nhost: localhost\r\nconnection: close";
    write!(socket, "{head}\r\ncontent-length: {}\r\n\r\n", MAX_BODY + 1).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("INVALID_ARGUMENT"), "{answer}");
}
