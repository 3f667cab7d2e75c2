//! S3 and SNS by the suites of their ports, on ministack; tags on originals and the operator's files.

mod configuration;
mod originals;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use common::{
    event::{Event, Topic},
    ports::{Publish as _, suites},
    request::{ImageSource, ObjectRef},
};
use proxy_aws::{clients::Clients, s3::Buckets, sns::SnsTopics};
use serde_json::{Value, json};
use tests::{Ministack, REGION};

const BUCKET: &str = "pictures";

async fn buckets(ministack: &Ministack) -> (Clients, Buckets) {
    let location = json!({ "LocationConstraint": REGION });
    let bucket = json!({ "Bucket": BUCKET, "CreateBucketConfiguration": location });
    ministack.boto().call("s3", "create_bucket", bucket);
    let clients = Clients::at(ministack.url(), REGION, "test", "test").await;
    let names: Arc<[String]> = Arc::new([BUCKET.to_owned()]);
    let buckets = Buckets::new(clients.s3.clone(), names, 150_000);
    (clients, buckets)
}

fn put(ministack: &Ministack, key: &str, bytes: &[u8]) -> ImageSource {
    let body = json!({ "$bytes": data_encoding::BASE64.encode(bytes) });
    let put = ministack.boto().call("s3", "put_object", json!({ "Bucket": BUCKET, "Key": key, "Body": body }));
    object(key, put["ETag"].as_str().unwrap().trim_matches('"'))
}

fn object(key: &str, etag: &str) -> ImageSource {
    let (bucket, key, etag) = (BUCKET.to_owned(), key.to_owned(), etag.to_owned());
    ImageSource::Object(ObjectRef { bucket, key, version: None, etag })
}

fn read(ministack: &Ministack, key: &str) -> Option<Bytes> {
    let got = ministack.boto().try_call("s3", "get_object", json!({ "Bucket": BUCKET, "Key": key })).ok()?;
    let text = got["Body"]["$bytes"].as_str().unwrap();
    Some(data_encoding::BASE64.decode(text.as_bytes()).unwrap().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_behaves_as_every_source_and_every_store() {
    let ministack = Ministack::start();
    let (_, buckets) = buckets(&ministack).await;
    let present = put(&ministack, "a cat +é.jpg", b"a cat");
    let large = put(&ministack, "large.jpg", &vec![7; 150_001]);
    let missing = object("missing.jpg", "d41d8cd98f00b204e9800998ecf8427e");
    suites::fetch(&buckets, (&present, b"a cat"), &missing, &large).await;
    suites::store(&buckets, async |key: &str| read(&ministack, key)).await;
}

/// A topic and a queue that gets all that is published there, as it was published.
fn topic(ministack: &Ministack, name: &str) -> (String, String) {
    let boto = ministack.boto();
    let arn = boto.call("sns", "create_topic", json!({ "Name": name }))["TopicArn"].as_str().unwrap().to_owned();
    let queue = boto.call("sqs", "create_queue", json!({ "QueueName": name }))["QueueUrl"].as_str().unwrap().to_owned();
    let asked = json!({ "QueueUrl": queue, "AttributeNames": ["QueueArn"] });
    let endpoint = boto.call("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].clone();
    let raw = json!({ "RawMessageDelivery": "true" });
    let wanted = json!({ "TopicArn": arn, "Protocol": "sqs", "Endpoint": endpoint, "Attributes": raw });
    boto.call("sns", "subscribe", wanted);
    (arn, queue)
}

/// What the queue got and nobody has read.
fn got(ministack: &Ministack, queue: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let asked = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"] });
        let answer = ministack.boto().call("sqs", "receive_message", asked);
        let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else { return all };
        for message in messages {
            let done = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"] });
            ministack.boto().call("sqs", "delete_message", done);
        }
        all.extend(messages.iter().cloned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_behave_as_every_topic() {
    let ministack = Ministack::start();
    let (clients, buckets) = buckets(&ministack).await;
    let (labelled, failed) = (topic(&ministack, "labelled"), topic(&ministack, "failed"));
    let arns = BTreeMap::from([(Topic::ImageLabelled, labelled.0), (Topic::ImageFailed, failed.0)]);
    let topics = SnsTopics::new(clients.sns.clone(), arns, buckets);
    let seen: Mutex<BTreeMap<Topic, Vec<Event>>> = Mutex::default();
    let delivered = async |topic: Topic| {
        let queue = if topic == Topic::ImageLabelled { &labelled.1 } else { &failed.1 };
        let new = got(&ministack, queue)
            .into_iter()
            .map(|message| serde_json::from_str::<Event>(message["Body"].as_str().unwrap()).unwrap());
        let mut seen = seen.lock().unwrap();
        let all = seen.entry(topic).or_default();
        all.extend(new);
        all.clone()
    };
    suites::publish(&topics, delivered, false).await;

    // What is too large for a message lies in the bucket, and the message says where.
    let text = seen.lock().unwrap()[&Topic::ImageLabelled][0].clone();
    let mut large = serde_json::to_value(&text).unwrap();
    large["data"]["text"] = json!({ "content": "long ".repeat(60_000), "blocks": [] });
    let large: Event = serde_json::from_value(large).unwrap();
    let answers = topics.publish(&[large.clone(), text]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let messages = got(&ministack, &labelled.1);
    let bodies: Vec<Value> =
        messages.iter().map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()).collect();
    let pointer = bodies.iter().find(|body| body.get("dataref").is_some()).expect("a pointer");
    assert_eq!((bodies.len(), pointer.get("data"), &pointer["id"]), (2, None, &json!(large.id)));
    let key = pointer["dataref"].as_str().unwrap().strip_prefix("s3://pictures/").unwrap();
    let kept: Event = serde_json::from_slice(&read(&ministack, key).unwrap()).unwrap();
    assert_eq!(kept, large);
    let kinds = messages.iter().map(|message| message["MessageAttributes"]["kind"]["StringValue"].clone());
    assert_eq!(kinds.collect::<Vec<_>>(), [json!("labelled"), json!("labelled")]);
}
