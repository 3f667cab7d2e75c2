//! Features that may come later: pending, kept in the bucket, and published when a detector can tell them.

use serde_json::{Value, json};
use tests::{
    DetectorStandIn,
    aws_world::{BUCKET, World, delivery, failures, notification, record},
    numbered_picture,
};

use super::http::{body, get, picture, request};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_now_is_pending_and_published_when_it_is_there() {
    let world = World::new().await;
    let detector = DetectorStandIn::start().await;
    let function = world.function(&[("CROSSLENS_DETECTORS", &detector.url())]);
    let head =
        |key: &str| world.ministack.boto().try_call("s3", "head_object", json!({ "Bucket": BUCKET, "Key": key }));

    detector.always(200, DetectorStandIn::reading(false, &["labels", "text"]));
    let asked = picture("features=labels&later=text", &numbered_picture(1));
    let first = body(&function.invoke(&asked).await.unwrap());
    assert_eq!((&first["pending"], first.get("unsupported")), (&json!(["text"]), None), "{first}");
    let path = format!("/v1/images/{}", first["id"].as_str().unwrap());
    assert_eq!(body(&get(&function, &path).await)["pending"], json!(["text"]));
    let told = world.told();
    assert_eq!((told.len(), &told[0]["data"]["pending"]), (1, &json!(["text"])), "{told:?}");

    // The bytes are safe, and their upload is what does the rest: not yet, and then it does.
    let listed = world.ministack.boto().call("s3", "list_objects_v2", json!({ "Bucket": BUCKET, "Prefix": "inbox/" }));
    let key = listed["Contents"][0]["Key"].as_str().unwrap_or_else(|| panic!("nothing is kept: {listed}")).to_owned();
    let etag = head(&key).unwrap()["ETag"].as_str().unwrap().trim_matches('"').to_owned();
    let upload = notification(&[record(BUCKET, &key, &etag, 1)]);
    detector.always(200, DetectorStandIn::reading(false, &["text"]));
    let answer = function.invoke(&delivery(std::slice::from_ref(&upload))).await.unwrap();
    assert_eq!(failures(&answer), ["0"], "nobody can tell it yet");
    assert_eq!((world.told(), head(&key).is_ok()), (Vec::<Value>::new(), true));

    detector.always(200, DetectorStandIn::reading(true, &["text"]));
    let answer = function.invoke(&delivery(std::slice::from_ref(&upload))).await.unwrap();
    assert_eq!(failures(&answer), Vec::<String>::new());
    let told = world.told();
    assert_eq!((told.len(), &told[0]["data"]["partOf"]), (1, &first["id"]), "{told:?}");
    assert_eq!(told[0]["data"]["text"]["content"], "EXIT");
    let whole = body(&get(&function, &path).await);
    assert_eq!((&whole["text"]["content"], whole.get("pending"), &whole["id"]), (&json!("EXIT"), None, &first["id"]));
    assert!(head(&key).is_err(), "the bytes are still kept");

    // Its delivery once more changes nothing, and erasing takes both.
    let answer = function.invoke(&delivery(&[upload])).await.unwrap();
    assert_eq!((failures(&answer), world.told()), (Vec::<String>::new(), Vec::<Value>::new()));
    assert_eq!(function.invoke(&request("DELETE", &path, "", "front.example")).await.unwrap()["statusCode"], 204);
    let rest = format!("/v1/images/{}", told[0]["data"]["id"].as_str().unwrap());
    assert_eq!(get(&function, &rest).await["statusCode"], 404);
}
