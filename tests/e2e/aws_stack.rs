//! The deployed stack: CloudFormation makes `infra/aws/template.yaml` on ministack, Lambda runs the real program, a real detector
//! with the embedded model answers, and pictures go in by upload and over HTTP.

mod dead_letters;
mod downstream;
mod later;
mod messages;

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::{Value, json};
use tests::{Detector, Ministack, Stack, arm64_function_zip, function_zip, photo, python, wait_until};

/// What the zip of the labelling function may weigh.
const MOST_BYTES: u64 = 8_000_000;
/// The first bytes that tell what a program runs on: 62 is x86-64, 183 is AArch64.
const MACHINE: &str = "
import sys, zipfile
file = zipfile.ZipFile(sys.argv[1])
print(file.namelist(), int.from_bytes(file.read('bootstrap')[18:20], 'little'))";

#[test]
fn the_program_is_small_and_made_for_the_machine_it_runs_on() {
    for (zip, machine) in [(function_zip(), 62), (arm64_function_zip(), 183)] {
        let output = Command::new(python()).args(["-c", MACHINE]).arg(zip).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("['bootstrap'] {machine}"));
        let bytes = fs::metadata(zip).unwrap().len();
        eprintln!("{}: {bytes} bytes", zip.display());
        assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes", zip.display());
    }
}

#[test]
fn a_picture_is_labelled_by_the_deployed_stack() {
    let detector = Detector::local().start();
    let ministack = Ministack::start();
    // ministack turns unsigned requests away, but does not tell the function who has signed; AWS does both.
    let open = [("CROSSLENS_ALLOW_UNAUTHENTICATED", "true")];
    let stack = Stack::deploy(&ministack, function_zip(), &[("Detectors", detector.url())], &open);
    let events = Subscribed::to(&ministack, &[stack.output("ImageLabelled"), stack.output("ImageFailed")]);

    // Two pictures and one file that is none, uploaded by names that have to be encoded.
    let uploads = [("pets/a cat+é.png", photo("chelsea.png")), ("coffee.png", photo("coffee.png"))];
    for (key, file) in uploads {
        put(&ministack, &stack, key, json!({"$file": file.to_str().unwrap()}));
    }
    put(&ministack, &stack, "notes/none.png", json!({"$bytes": "bm8gcGljdHVyZQ=="}));
    let told = events.wait_for(3);
    let of =
        |key: &str| told.values().find(|event| event.to_string().contains(key)).unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(of("coffee.png")["type"], "dev.crosslens.image.labelled.v1");
    assert_eq!(first_label(&of("coffee.png")["data"]), "espresso");
    assert_eq!(of("pets/")["type"], "dev.crosslens.image.labelled.v1");
    assert_eq!(of("none.png")["type"], "dev.crosslens.image.failed.v1");

    // What was recorded is looked up over HTTP.
    let id = of("coffee.png")["data"]["id"].as_str().unwrap().to_owned();
    let found = stack.ask("GET", &format!("/v1/images/{id}"), &[], b"");
    assert_eq!((found.status, first_label(&found.json())), (200, "espresso".to_owned()), "{found:?}");
    assert_eq!(stack.ask("GET", "/v1/images/aws-aaaaaaaaaaaaaaaaaaaaaaaaaa", &[], b"").status, 404);

    // The same picture over HTTP, and the sample where none is named.
    let coffee = fs::read(photo("coffee.png")).unwrap();
    let asked = stack.ask("POST", "/v1/images?maxLabels=2", &[("content-type", "image/png")], &coffee);
    assert_eq!((asked.status, first_label(&asked.json())), (200, "espresso".to_owned()), "{asked:?}");
    assert!(asked.headers.contains_key("x-request-id"));
    let sample = stack.ask("GET", "/detect", &[("accept", "text/plain")], b"");
    assert_eq!(sample.status, 200, "{sample:?}");
    assert!(String::from_utf8_lossy(&sample.body).starts_with("Image Results: espresso"), "{sample:?}");

    // Kept for later: answered at once, and then labelled like any upload.
    let rocket = fs::read(photo("rocket.jpg")).unwrap();
    let headers = [("content-type", "image/jpeg"), ("prefer", "respond-async")];
    let kept = stack.ask("POST", "/v1/images", &headers, &rocket);
    assert_eq!(kept.status, 202, "{kept:?}");
    let location = kept.headers["location"].clone();
    let later = wait_until("what was kept for later to be labelled", || {
        let answer = stack.ask("GET", &location, &[], b"");
        (answer.status == 200 && !first_label(&answer.json()).is_empty()).then_some(answer)
    });
    assert_eq!(first_label(&later.json()), "missile", "{later:?}");
    assert_eq!(stack.ask("DELETE", &location, &[], b"").status, 204);

    for queue in ["UploadsQueue", "UploadsDeadLetters", "BackfillQueue", "BackfillDeadLetters"] {
        wait_until("the queues to be empty", || (waiting(&ministack, stack.output(queue)) == 0).then_some(()));
    }
}

fn put(ministack: &Ministack, stack: &Stack<'_>, key: &str, body: Value) {
    ministack.boto().call("s3", "put_object", json!({"Bucket": stack.output("Bucket"), "Key": key, "Body": body}));
}

fn first_label(analysis: &Value) -> String {
    let labels = analysis.get("labels").or_else(|| analysis["analysis"].get("labels"));
    labels.and_then(|labels| labels[0]["description"].as_str()).unwrap_or_default().to_owned()
}

/// Messages of a queue that are there or under way.
fn waiting(ministack: &Ministack, queue: &str) -> u64 {
    let asked = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
    let attributes = ministack.boto().call("sqs", "get_queue_attributes", asked)["Attributes"].take();
    let number = |name: &str| attributes[name].as_str().unwrap().parse::<u64>().unwrap();
    number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible")
}

/// A queue that topics are delivered to.
struct Subscribed<'a> {
    ministack: &'a Ministack,
    queue: String,
}

impl<'a> Subscribed<'a> {
    fn to(ministack: &'a Ministack, topics: &[&str]) -> Self {
        let boto = ministack.boto();
        let queue =
            boto.call("sqs", "create_queue", json!({"QueueName": "listener"}))["QueueUrl"].as_str().unwrap().to_owned();
        let asked = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
        let arn = boto.call("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].take();
        for topic in topics {
            boto.call("sns", "subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn}));
        }
        Self { ministack, queue }
    }

    /// As many different events as that, by their ids.
    fn wait_for(&self, events: usize) -> BTreeMap<String, Value> {
        let mut told = BTreeMap::new();
        wait_until(&format!("{events} events"), || {
            told.extend(self.now());
            (told.len() >= events).then_some(())
        });
        told
    }

    /// What has been told and was not read before.
    fn now(&self) -> BTreeMap<String, Value> {
        let boto = self.ministack.boto();
        let received = boto.call("sqs", "receive_message", json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10}));
        let event = |message: &Value| {
            let read = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
            boto.call("sqs", "delete_message", read);
            let envelope: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
            (event["id"].as_str().unwrap().to_owned(), event)
        };
        received["Messages"].as_array().into_iter().flatten().map(event).collect()
    }
}
