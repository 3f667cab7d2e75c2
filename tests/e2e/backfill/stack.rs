//! A bucket, a queue and a table on a server that speaks AWS's protocols, and a stand-in for the stack that works the queue off.

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use common::{
    analysis::{Analysis, DetectorId, Feature, Findings, Label},
    event::Failure,
    image::{Digest, MediaType},
    ports::{Claimed, Ledger as _, Outcome},
    request::{Cloud, ObjectRef, Query},
};
use flate2::{Compression, write::GzEncoder};
use proxy_aws::{clients::Clients, dynamodb::DynamoLedger};
use serde_json::{Value, json};
use tests::{Boto, Cli, Ended, KEY, Ministack, REGION, SECRET, ledger_table, wait_until};

pub(super) struct Stack {
    server: Ministack,
    queue: String,
    number: AtomicU64,
}

/// A queue that hears of a bucket's new objects.
pub(super) struct Heard<'a> {
    stack: &'a Stack,
    queue: String,
}

impl Stack {
    pub(super) fn start() -> Self {
        let server = Ministack::start();
        ledger_table(server.boto(), "ledger");
        let made = server.boto().call("sqs", "create_queue", json!({"QueueName": "backfill"}));
        let queue = made["QueueUrl"].as_str().unwrap().to_owned();
        let stack = Self { server, queue, number: AtomicU64::new(0) };
        stack.boto().call("s3", "create_bucket", stack.bucket("photos"));
        stack
    }

    pub(super) fn boto(&self) -> &Boto {
        self.server.boto()
    }

    pub(super) fn url(&self) -> &str {
        self.server.url()
    }

    /// How a bucket is made in the tests' region.
    pub(super) fn bucket(&self, name: &str) -> Value {
        json!({"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": REGION}})
    }

    /// Another one each time.
    pub(super) fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) {
        self.put_in("photos", key, bytes);
    }

    pub(super) fn put_in(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let body = json!({"$bytes": data_encoding::BASE64.encode(bytes)});
        self.boto().call("s3", "put_object", json!({"Bucket": bucket, "Key": key, "Body": body}));
    }

    /// Has the bucket tell its new objects to a queue.
    pub(super) fn notified(&self) -> Heard<'_> {
        let made = self.boto().call("sqs", "create_queue", json!({"QueueName": "heard"}));
        let queue = made["QueueUrl"].as_str().unwrap().to_owned();
        let asked = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
        let told = self.boto().call("sqs", "get_queue_attributes", asked);
        let to = json!([{"QueueArn": told["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]);
        let configuration = json!({"Bucket": "photos", "NotificationConfiguration": {"QueueConfigurations": to}});
        self.boto().call("s3", "put_bucket_notification_configuration", configuration);
        Heard { stack: self, queue }
    }

    /// `crosslens backfill` with these arguments on this stack.
    pub(super) fn backfill(&self, args: &[&str]) -> Ended {
        self.backfill_through(self.server.url(), args)
    }

    /// The same through something that stands in front of the server.
    pub(super) fn backfill_through(&self, url: &str, args: &[&str]) -> Ended {
        let cli = Cli::new([&["backfill"], args].concat()).env("AWS_ENDPOINT_URL", url);
        let cli = cli.env("AWS_REGION", REGION).env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        cli.env("CROSSLENS_TABLE", "ledger").env("CROSSLENS_BACKFILL_QUEUE", &self.queue).run()
    }

    pub(super) fn depth(&self) -> u64 {
        let asked = json!({"QueueUrl": self.queue, "AttributeNames": ["ApproximateNumberOfMessages"]});
        let told = self.boto().call("sqs", "get_queue_attributes", asked);
        told["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().parse().unwrap()
    }

    /// Takes all messages out of the queue.
    pub(super) fn messages(&self) -> Vec<Value> {
        self.taken(&self.queue)
    }

    fn taken(&self, queue: &str) -> Vec<Value> {
        let mut bodies = Vec::new();
        loop {
            let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
            let told = self.boto().call("sqs", "receive_message", asked);
            let messages = told["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            let entry = |(place, message): (usize, &Value)| json!({"Id": place.to_string(), "ReceiptHandle": message["ReceiptHandle"]});
            let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
            self.boto().call("sqs", "delete_message_batch", json!({"QueueUrl": queue, "Entries": entries}));
            let parsed = |message: &Value| serde_json::from_str::<Value>(message["Body"].as_str().unwrap()).unwrap();
            bodies.extend(messages.iter().map(parsed));
        }
    }

    /// Records outcomes as the stack would: every tenth picture is broken, the others show a cup.
    pub(super) fn label(&self, bodies: &[Value]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clients = Clients::at(self.server.url(), REGION, KEY, SECRET).await;
            let ledger = DynamoLedger::new(clients.dynamodb, "ledger".to_owned());
            for body in bodies {
                record(&ledger, body, self.number() % 10 == 9).await;
            }
        });
    }

    /// Runs something while the stand-in works the queue off; also how many messages there were.
    pub(super) fn labelling<T>(&self, run: impl FnOnce() -> T) -> (T, u64) {
        let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let bodies = self.messages();
                    count.fetch_add(bodies.len() as u64, Ordering::SeqCst);
                    self.label(&bodies);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let _over = Over(&over);
            run()
        });
        (result, count.into_inner())
    }
}

/// Ends the stand-in, also when a test fails meanwhile.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Heard<'_> {
    /// Everything that was heard, in its order.
    pub(super) fn bodies(&self) -> Vec<Value> {
        let mut heard = Vec::new();
        wait_until("the events", || {
            heard.extend(self.stack.taken(&self.queue));
            (heard.iter().filter(|body| body["Records"].is_array()).count() >= 5).then_some(())
        });
        heard
    }
}

async fn record(ledger: &DynamoLedger, body: &Value, broken: bool) {
    let s3 = &body["Records"][0]["s3"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let object = ObjectRef {
        bucket: text(&s3["bucket"]["name"]),
        key: super::decoded(s3["object"]["key"].as_str().unwrap()),
        version: s3["object"]["versionId"].as_str().map(str::to_owned),
        etag: text(&s3["object"]["eTag"]),
    };
    let id = object.id(Cloud::Aws, &Query::default());
    let Claimed::Won(claim) = ledger.claim(&id, Duration::from_secs(60), false).await.unwrap() else { return };
    let outcome = if broken {
        let (problem, detail) = ("undecodable-image".to_owned(), "The image cannot be decoded".to_owned());
        Outcome::Failed(Failure { id, source: None, problem, detail })
    } else {
        let label = Label { description: "Cup".to_owned(), score: 0.9, mid: None };
        Outcome::Done(Box::new(Analysis {
            part_of: None,
            id,
            request_id: "r".to_owned(),
            digest: Digest::of(object.key.as_bytes()),
            source: None,
            media_type: MediaType::Jpeg,
            width: 4,
            height: 3,
            detector: DetectorId { provider: "google-vision".to_owned(), model: "builtin/stable".to_owned() },
            findings: Findings {
                labels: Some(vec![label]),
                billed_units: [(Feature::Labels, 1)].into(),
                ..Findings::default()
            },
            analyzed_at: "2026-11-20T10:00:00Z".parse().unwrap(),
            duration_ms: 7,
        }))
    };
    ledger.record(&claim, &Query::default(), outcome, None).await.unwrap();
}

/// A text as a gzip file.
pub(super) fn packed(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}
