//! What the proxy has around it: ministack with a bucket, a table, topics and queues, and a real detector, each behind a proxy
//! that counts and spoils calls.

use std::{collections::BTreeMap, path::Path};

use common::event::Topic;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Boto, Counted, Detector, Function, Ministack, REGION, ledger_table};

/// The bucket of a [`World`].
pub const BUCKET: &str = "pictures";

/// One deployment, without the functions.
#[derive(Debug)]
pub struct World {
    /// Everything of AWS.
    pub ministack: Ministack,
    /// In front of ministack.
    pub aws: Counted,
    /// In front of the detector.
    pub detecting: Counted,
    topics: BTreeMap<&'static str, String>,
    /// Gets every event, as it was published.
    told: String,
    /// The URL of the queue that uploads are told to.
    pub uploads: String,
    _detector: Option<Detector>,
}

impl World {
    /// With a real detector and the embedded model behind it.
    pub async fn new() -> Self {
        let detector = Detector::local().start();
        let detecting = Counted::in_front_of(detector.url()).await;
        Self::around(detecting, Some(detector)).await
    }

    /// With another detector.
    pub async fn asking(detector: &str) -> Self {
        Self::around(Counted::in_front_of(detector).await, None).await
    }

    async fn around(detecting: Counted, detector: Option<Detector>) -> Self {
        let ministack = Ministack::start();
        let aws = Counted::in_front_of(ministack.url()).await;
        let boto = ministack.boto();
        let location = json!({ "LocationConstraint": REGION });
        boto.call("s3", "create_bucket", json!({ "Bucket": BUCKET, "CreateBucketConfiguration": location }));
        ledger_table(boto, "ledger");
        let queue = |name: &str| {
            let made = boto.call("sqs", "create_queue", json!({ "QueueName": name }));
            made["QueueUrl"].as_str().unwrap().to_owned()
        };
        let (told, uploads) = (queue("told"), queue("uploads"));
        let told_arn = arn(boto, &told);
        let topics = Topic::ALL.map(|topic| {
            let name = topic.name();
            let topic =
                boto.call("sns", "create_topic", json!({ "Name": name }))["TopicArn"].as_str().unwrap().to_owned();
            let raw = json!({ "RawMessageDelivery": "true" });
            let wanted = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": told_arn, "Attributes": raw });
            boto.call("sns", "subscribe", wanted);
            (name, topic)
        });
        Self { aws, detecting, topics: topics.into(), told, uploads, ministack, _detector: detector }
    }

    /// The variables of a function, with some of them otherwise; an empty value takes one away.
    pub fn env(&self, other: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let topics: Vec<String> = self.topics.iter().map(|(name, arn)| format!("{name}={arn}")).collect();
        let mut env = BTreeMap::from([
            ("AWS_ENDPOINT_URL", self.aws.url()),
            ("CROSSLENS_BUCKETS", BUCKET.to_owned()),
            ("CROSSLENS_TABLE", "ledger".to_owned()),
            ("CROSSLENS_TOPICS", topics.join(",")),
            ("CROSSLENS_QUEUES", self.uploads.clone()),
            ("CROSSLENS_DETECTORS", self.detecting.url()),
            ("CROSSLENS_SWEEP_AGE", "0".to_owned()),
            ("CROSSLENS_RETRY_DELAY", "1".to_owned()),
        ]);
        env.extend(other.iter().map(|(name, value)| (*name, (*value).to_owned())));
        env.retain(|_, value| !value.is_empty());
        env.into_iter().collect()
    }

    /// A function with these variables.
    pub fn function(&self, other: &[(&'static str, &str)]) -> Function {
        Function::start(&self.env(other))
    }

    /// Uploads bytes; returns the record by which S3 tells of it.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Value {
        let body = json!({ "$bytes": data_encoding::BASE64.encode(bytes) });
        let put = self.ministack.boto().call("s3", "put_object", json!({ "Bucket": BUCKET, "Key": key, "Body": body }));
        record(BUCKET, key, put["ETag"].as_str().unwrap().trim_matches('"'), bytes.len())
    }

    /// Uploads a file.
    pub fn put_file(&self, key: &str, path: &Path) -> Value {
        self.put(key, &std::fs::read(path).unwrap())
    }

    /// Every event that was published by now and not read before.
    pub fn told(&self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let wanted = json!({ "QueueUrl": self.told, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"] });
            let got = self.ministack.boto().call("sqs", "receive_message", wanted);
            let Some(messages) = got["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
                return events;
            };
            for message in messages {
                events.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
                let done = json!({ "QueueUrl": self.told, "ReceiptHandle": message["ReceiptHandle"] });
                self.ministack.boto().call("sqs", "delete_message", done);
            }
        }
    }
}

/// What S3 says of an object that has appeared.
pub fn record(bucket: &str, key: &str, etag: &str, size: usize) -> Value {
    let encoded: String = key.bytes().map(encoded).collect();
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": bucket }, "object": { "key": encoded, "size": size, "eTag": etag, "sequencer": "0A" } },
    })
}

/// As S3 spells keys: form-encoded.
fn encoded(byte: u8) -> String {
    match byte {
        b' ' => "+".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{}", HEXLOWER.encode(&[other]).to_uppercase()),
    }
}

/// A delivery of a queue with one message for each body; each message is called by its place.
pub fn delivery(bodies: &[Value]) -> Value {
    let message = |(place, body): (usize, &Value)| {
        let body = body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned);
        json!({
            "messageId": place.to_string(), "receiptHandle": Uuid::new_v4().to_string(), "body": body,
            "attributes": { "ApproximateReceiveCount": "1" }, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:{}:000000000000:uploads", REGION),
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>() })
}

/// A notification of S3 about these records.
pub fn notification(records: &[Value]) -> Value {
    json!({ "Records": records })
}

/// The messages that are to come back.
pub fn failures(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}"));
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// The schedule's call.
pub fn schedule() -> Value {
    json!({ "version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} })
}

fn arn(boto: &Boto, url: &str) -> String {
    let wanted = json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] });
    let got = boto.call("sqs", "get_queue_attributes", wanted);
    got["Attributes"]["QueueArn"].as_str().unwrap().to_owned()
}
