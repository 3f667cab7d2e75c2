//! Features that come later on the deployed stack: kept in the bucket, whose own notification does the rest.

use serde_json::{Value, json};
use tests::{DetectorStandIn, Ministack, Stack, function_zip, numbered_picture, wait_until};

use super::Subscribed;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_detector_learns_to_tell_is_published_as_a_part_of_the_first() {
    let detector = DetectorStandIn::start().await;
    let ministack = Ministack::start();
    // The second try after a second, the third after two more: it is worked off long before the fifth.
    let settings = [("CROSSLENS_ALLOW_UNAUTHENTICATED", "true"), ("CROSSLENS_RETRY_DELAY", "1")];
    let stack = Stack::deploy(&ministack, function_zip(), &[("Detectors", &detector.url())], &settings);
    let events = Subscribed::to(&ministack, &[stack.output("ImageLabelled"), stack.output("ImageFailed")]);

    detector.always(200, DetectorStandIn::reading(false, &["labels", "text"]));
    let path = "/v1/images?features=labels&later=text";
    let first = stack.ask("POST", path, &[("content-type", "application/octet-stream")], &numbered_picture(1)).json();
    assert_eq!(first["pending"], json!(["text"]), "{first}");
    let told = events.wait_for(1);
    assert_eq!(told.values().next().unwrap()["data"]["pending"], json!(["text"]), "{told:?}");

    detector.always(200, DetectorStandIn::reading(true, &["text"]));
    let told = events.wait_for(1);
    let rest = &told.values().next().unwrap()["data"];
    assert_eq!((&rest["partOf"], &rest["text"]["content"]), (&first["id"], &json!("EXIT")), "{told:?}");
    let whole = stack.ask("GET", &format!("/v1/images/{}", first["id"].as_str().unwrap()), &[], b"").json();
    assert_eq!((&whole["text"]["content"], whole.get("pending")), (&json!("EXIT"), None), "{whole}");
    wait_until("the kept bytes to be gone", || {
        let asked = json!({"Bucket": stack.output("Bucket"), "Prefix": "inbox/"});
        let listed: Value = ministack.boto().call("s3", "list_objects_v2", asked);
        (listed["KeyCount"] == 0).then_some(())
    });
    assert!(events.now().is_empty(), "two events, and no other");
}
