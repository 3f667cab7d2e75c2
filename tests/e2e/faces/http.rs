//! `/v1/collections` of a running `crosslens up`, with Rekognition's stand-in behind it.

use reqwest::{Method, Response, StatusCode};
use tests::{Builder, Server, client, painted};

use super::*;

const KEYS: &str = "first-key-0123456789,other-key-0123456789";

pub(super) fn built(rekognition: &RekognitionStandIn, wikipedia: &WikipediaStandIn) -> Builder {
    let server = Server::build().args(["--faces", "rekognition"]).env("AWS_ENDPOINT_URL", rekognition.url());
    let server = server.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    server.env("AWS_REGION", REGION).env("CROSSLENS_WIKIPEDIA_URL", wikipedia.url())
}

async fn call(server: &Server, key: &str, method: Method, path: &str, body: Vec<u8>) -> Response {
    let request = client().request(method, server.at(path)).header("authorization", format!("Bearer {key}"));
    request.body(body).send().await.unwrap()
}

async fn json_of(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_made_filled_matched_in_and_forgotten_without_a_phone() {
    let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
    let server = built(&rekognition, &wikipedia).env("CROSSLENS_API_KEYS", KEYS).start();
    let (mine, theirs) = KEYS.split_once(',').unwrap();
    let call = async |key: &str, method: &str, path: &str, body: Vec<u8>| {
        call(&server, key, method.parse().unwrap(), path, body).await
    };
    let friends = "/v1/collections/friends";
    let stranger = call("nobody", "GET", "/v1/collections", Vec::new()).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);

    let named = || br#"{"name":"Friends"}"#.to_vec();
    let made = call(mine, "POST", "/v1/collections", named()).await;
    assert_eq!((made.status().as_u16(), made.headers()["location"].to_str().unwrap()), (201, friends));
    assert_eq!(call(mine, "POST", "/v1/collections", named()).await.status(), StatusCode::OK);
    let (status, list) = json_of(call(mine, "GET", "/v1/collections", Vec::new()).await).await;
    assert_eq!((status, list), (200, json!({ "collections": ["friends"] })));
    let (_, list) = json_of(call(theirs, "GET", "/v1/collections", Vec::new()).await).await;
    assert_eq!(list, json!({ "collections": [] }), "another caller's are none of theirs");

    let faces = format!("{friends}/faces");
    let (status, problem) =
        json_of(call(mine, "POST", &format!("{faces}?person=anna_a"), portrait(&[ANNA])).await).await;
    assert_eq!((status, &problem["type"]), (403, &json!("https://crosslens.dev/problems/forbidden")));
    assert!(problem["detail"].as_str().unwrap().contains("consent=true"), "{problem}");
    let add = format!("{faces}?person=Anna_A&consent=true");
    let (status, added) = json_of(call(mine, "POST", &add, portrait(&[ANNA, BERTA])).await).await;
    assert_eq!((status, added), (201, json!({ "person": "anna_a", "otherFaces": 1 })));
    // Said once, it holds; a repetition under one key is one vector.
    for _ in 0..3 {
        let request = client().post(server.at(&format!("{faces}?person=berta_b"))).bearer_auth(mine);
        let answer = request.header("idempotency-key", "k").body(portrait(&[BERTA])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    let (_, people) = json_of(call(mine, "GET", &faces, Vec::new()).await).await;
    assert_eq!(people["people"], json!([{ "person": "anna_a", "vectors": 1 }, { "person": "berta_b", "vectors": 1 }]));

    wikipedia.entry("Anna_A", "standard", "Singer", "Anna A is a singer.");
    let (status, found) = json_of(call(mine, "POST", &format!("{friends}/match"), portrait(&[ANNA_LATER])).await).await;
    let found = &found["match"];
    assert_eq!((status, &found["person"], &found["name"]), (200, &json!("anna_a"), &json!("Anna A")));
    assert_eq!(
        (&found["celebrity"], &found["entry"]["source"]),
        (&json!(false), &json!("https://en.wikipedia.org/wiki/Anna_A"))
    );
    let unknown = painted(640, 480, &[([40, 220, 40], 100)]);
    let (status, found) = json_of(call(mine, "POST", &format!("{friends}/match"), unknown).await).await;
    assert_eq!((status, found), (200, json!({ "match": null })));

    let problem = async |key: &str, method: &str, path: &str, body: Vec<u8>| {
        let (status, problem) = json_of(call(key, method, path, body).await).await;
        let kind = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (status, kind, problem["detail"].as_str().unwrap().to_owned())
    };
    let (status, kind, detail) = problem(mine, "POST", &add, portrait(&[])).await;
    assert_eq!((status, kind.as_str(), detail.as_str()), (422, "unprocessable", "the picture shows no face"));
    let (_, _, detail) = problem(mine, "POST", &add, painted(640, 480, &[(ANNA, 12)])).await;
    assert_eq!(detail, "the face on the picture is too small");
    assert_eq!(problem(mine, "POST", &add, b"<html>".to_vec()).await.0, 415);
    assert_eq!(problem(mine, "POST", &faces, portrait(&[ANNA])).await.0, 400, "without a name");
    assert_eq!(problem(mine, "POST", "/v1/collections/foes/faces?person=a", portrait(&[ANNA])).await.0, 404);
    assert_eq!(problem(mine, "GET", "/v1/collections/..%2Fx/faces", Vec::new()).await.0, 400);
    assert_eq!(problem(theirs, "POST", &format!("{friends}/match?consent=true"), portrait(&[ANNA])).await.0, 404);
    assert_eq!(problem(theirs, "DELETE", &format!("{faces}/anna_a"), Vec::new()).await.0, 404);
    assert_eq!(problem(theirs, "DELETE", friends, Vec::new()).await.0, 404);
    let (status, _, detail) = problem(mine, "POST", "/v1/collections", br#"{"name":"hunter2 <b>"}"#.to_vec()).await;
    assert!(status == 400 && !detail.contains("hunter2"), "{detail}");
    let inside = json!({ "imageUri": "http://127.0.0.1:1/a.png", "person": "anna_a" }).to_string();
    let request = client().post(server.at(&faces)).bearer_auth(mine).header("content-type", "application/json");
    let (status, problem_of) = json_of(request.body(inside).send().await.unwrap()).await;
    assert_eq!((status, &problem_of["title"]), (403, &json!("The image source is not allowed")));

    let (status, forgotten) = json_of(call(mine, "DELETE", &format!("{faces}/anna_a"), Vec::new()).await).await;
    assert_eq!((status, forgotten), (200, json!({ "vectors": 1 })));
    assert_eq!(call(mine, "DELETE", friends, Vec::new()).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(call(mine, "DELETE", friends, Vec::new()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!((rekognition.faults(), wikipedia.faults()), (Vec::new(), Vec::new()));
    let log = server.stderr();
    for secret in ["anna", "Anna", "berta", "first-key", "hunter2"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_the_routes_say_so_and_are_described() {
    let server = Server::start::<_, &str>([]);
    for (method, path) in [
        (Method::GET, "/v1/collections"),
        (Method::DELETE, "/v1/collections/a"),
        (Method::POST, "/v1/collections/a/match"),
    ] {
        let answer = client().request(method, server.at(path)).body(portrait(&[ANNA])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED, "{path}");
    }
    let api: Value = client().get(server.at("/openapi.json")).send().await.unwrap().json().await.unwrap();
    let match_route = &api["paths"]["/v1/collections/{collection}/match"]["post"];
    assert!(match_route["responses"]["200"].is_object(), "{api}");
    assert!(api["components"]["schemas"]["MatchedPerson"].is_object());
}
