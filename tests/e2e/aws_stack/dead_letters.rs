//! An upload that fails five times ends among the dead letters, and comes back when it is wanted.

use serde_json::{Value, json};
use tests::{Counted, Detector, Ministack, Stack, function_zip, numbered_picture, photo, wait_until};

use super::{Subscribed, put, waiting};
use crate::dead_letters::dlq;

const DETECT: &str = "POST /v1/detect";
const RECEIVES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn five_receives_end_among_the_dead_letters_and_come_back() {
    let detector = Detector::local().start();
    let detecting = Counted::in_front_of(detector.url()).await;
    let ministack = Ministack::start();
    // A failed message is seen again after as little as SQS knows, and not after the minutes that the queue says.
    let soon = [("CROSSLENS_RETRY_DELAY", "0"), ("CROSSLENS_BREAKER_FAILURES", "100")];
    let stack = Stack::deploy(&ministack, function_zip(), &[("Detectors", &detecting.url())], &soon);
    let events = Subscribed::to(&ministack, &[stack.output("ImageLabelled"), stack.output("ImageFailed")]);
    let bytes = |bytes: &[u8]| json!({"$bytes": data_encoding::BASE64.encode(bytes)});

    // While the detector is there, and then while nobody is.
    put(&ministack, &stack, "known.bmp", bytes(&numbered_picture(1)));
    events.wait_for(1);
    detecting.reset();
    detecting.fail_next(DETECT, usize::MAX, 503, "{}");
    put(&ministack, &stack, "waits.png", json!({"$file": photo("coffee.png").to_str().unwrap()}));
    // What needs no detector: the same bytes by another name, and what is no picture.
    put(&ministack, &stack, "same.bmp", bytes(&numbered_picture(1)));
    put(&ministack, &stack, "none.png", bytes(b"no picture"));
    let neighbours = events.wait_for(2);
    let about = |key: &str| neighbours.values().find(|event| event.to_string().contains(key)).unwrap()["type"].clone();
    assert_eq!(about("same.bmp"), "dev.crosslens.image.labelled.v1");
    assert_eq!(about("none.png"), "dev.crosslens.image.failed.v1");

    let (uploads, dead) = (stack.output("UploadsQueue"), stack.output("UploadsDeadLetters"));
    wait_until("the message to be given up", || (waiting(&ministack, dead) == 1).then_some(()));
    assert_eq!((detecting.calls(DETECT), waiting(&ministack, uploads)), (RECEIVES, 0), "tried five times");
    assert!(events.now().is_empty(), "nobody is told of what may yet be labelled");
    let listed = dlq(ministack.url(), &["list", "--json"], dead);
    let letters: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(letters.len() == 1 && listed.stdout.contains("waits.png"), "{listed:?}");

    // The detector is back, and so is the message; ministack does not know which queue it came from.
    detecting.forget_faults();
    let replayed = dlq(ministack.url(), &["replay", "--queue", uploads], dead);
    assert!(replayed.code == 0 && replayed.stdout.contains("waits.png"), "{replayed:?}");
    let told = events.wait_for(1);
    let event = told.values().next().unwrap();
    assert!(event["data"]["source"].as_str().unwrap().contains("/waits.png?versionId="), "{event}");
    assert_eq!(event["data"]["labels"][0]["description"], "espresso");
    for queue in [uploads, dead] {
        wait_until("the queues to be empty", || (waiting(&ministack, queue) == 0).then_some(()));
    }
    assert_eq!(detecting.calls(DETECT), RECEIVES + 1);
    assert!(events.now().is_empty(), "one event, and no other");
}
