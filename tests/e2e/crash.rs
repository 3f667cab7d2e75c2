//! `kill -9` at random moments while pictures arrive: nothing that was taken in is lost, nothing is done twice, and every
//! event keeps its identity.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::post};
use common::{
    image::Digest,
    request::{Caller, Cloud, ImageRequest, ImageSource, Query},
};
use local::{From, Local};
use serde_json::Value;
use tests::{Cli, Server, client, numbered_picture, wait_until_async};
use tokio::{
    task::{JoinSet, block_in_place},
    time::{Instant, sleep},
};

const UPLOADS: u32 = 2_000;
const KILLS: u32 = 7;
const UPLOADERS: u32 = 8;
/// The moments of the kills; another seed is another test.
const SEED: u64 = 20_261_120;

/// Numbers that look random (SplitMix64), the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

/// One picture: how it arrives goes by its number.
fn key(number: u32) -> String {
    let way = ["put", "put/deep", "drop", "rename"][number as usize % 4];
    format!("{way}/{number}.bmp")
}

fn id(number: u32) -> String {
    let object = local::object(&key(number), local::etag(&numbered_picture(number)));
    let request = ImageRequest {
        source: ImageSource::Object(object),
        query: Query::default(),
        caller: Caller("test".to_owned()),
        idempotency_key: None,
        request_id: String::new(),
        traceparent: None,
        deadline: Instant::now(),
        accepted: None,
    };
    request.early_id(Cloud::Local).unwrap().to_string()
}

/// What a receiver of events got: all bodies by event id.
type Deliveries = Arc<Mutex<BTreeMap<String, Vec<Value>>>>;

async fn receiver() -> (Deliveries, String) {
    let got = Deliveries::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let take = async |State(got): State<Deliveries>, Json(event): Json<Value>| {
        got.lock().unwrap().entry(event["id"].as_str().unwrap().to_owned()).or_default().push(event);
    };
    let router = Router::new().route("/", post(take)).with_state(got.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (got, url)
}

/// Brings one picture and returns once it is acknowledged, over however many restarts.
async fn bring(client: &reqwest::Client, url: &Mutex<String>, bucket: &Path, number: u32) {
    let (key, bytes) = (key(number), numbered_picture(number));
    match number % 4 {
        2 => fs::write(bucket.join(&key), bytes).unwrap(),
        3 => {
            let unfinished = bucket.join(format!("{key}.part"));
            fs::write(&unfinished, bytes).unwrap();
            fs::rename(unfinished, bucket.join(&key)).unwrap();
        }
        _ => loop {
            let at = format!("{}/uploads/{key}", url.lock().unwrap());
            match client.put(at).body(bytes.clone()).timeout(Duration::from_secs(5)).send().await {
                Ok(answer) if answer.status() == 201 => return,
                Ok(answer) => {
                    assert!(matches!(answer.status().as_u16(), 429 | 503), "{}", answer.text().await.unwrap())
                }
                Err(_) => {}
            }
            sleep(Duration::from_millis(20)).await;
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_nothing_and_repeats_nothing() {
    let (deliveries, receiver) = receiver().await;
    let hook = format!("test=image_labelled={receiver}");
    let target = receiver.trim_start_matches("http://").split('/').next().unwrap();
    let args = ["--webhook", &hook, "--allow-target", target];
    let mut server = block_in_place(|| Server::build().args(args).start());
    let (data, url) = (server.data().to_owned(), Arc::new(Mutex::new(server.url().to_owned())));
    for folder in ["drop", "rename"] {
        fs::create_dir_all(data.join("bucket").join(folder)).unwrap();
    }

    let (mut uploads, brought) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for uploader in 0..UPLOADERS {
        let (client, url, bucket, brought) = (client(), url.clone(), data.join("bucket"), brought.clone());
        uploads.spawn(async move {
            for number in (uploader..UPLOADS).step_by(UPLOADERS as usize) {
                bring(&client, &url, &bucket, number).await;
                brought.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut dice = Dice(SEED);
    for kill in 1..=KILLS {
        // Spread over the uploads, then at any moment of the work that is under way by then.
        let enough = (UPLOADS as usize * kill as usize) / (KILLS as usize + 1);
        while brought.load(Ordering::SeqCst) < enough {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(dice.below(300))).await;
        block_in_place(|| server.restart());
        server.url().clone_into(&mut url.lock().unwrap());
    }
    uploads.join_all().await;
    // While the rest is worked off, once more.
    sleep(Duration::from_millis(dice.below(1_000))).await;
    block_in_place(|| server.restart());

    let expected: BTreeMap<String, u32> = (0..UPLOADS).map(|number| (id(number), number)).collect();
    let identities: BTreeSet<String> = expected.keys().map(|id| format!("{id}:labelled")).collect();
    wait_until_async("every event to be delivered", async || {
        (deliveries.lock().unwrap().len() >= expected.len()).then_some(())
    })
    .await;
    every_event_has_one_identity(&deliveries.lock().unwrap(), &identities);
    every_event_is_published_once(&data, &identities).await;
    every_picture_has_one_analysis(&data, &expected);
    assert!(server.sigterm().success(), "{}", server.stderr());
}

/// A delivery may come again where a kill came between it and its acknowledgement; it is the same event then.
fn every_event_has_one_identity(deliveries: &BTreeMap<String, Vec<Value>>, identities: &BTreeSet<String>) {
    assert_eq!(&deliveries.keys().cloned().collect::<BTreeSet<_>>(), identities);
    for (id, bodies) in deliveries {
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{id} has changed: {bodies:?}");
    }
}

async fn every_event_is_published_once(data: &Path, identities: &BTreeSet<String>) {
    let local = Local::open_existing(data).unwrap();
    let mut tail = local.topics.tail(&["image_labelled", "image_failed"], From::Start).await.unwrap();
    let mut published = BTreeSet::new();
    while let Some(message) = tail.try_next().await.unwrap() {
        assert_eq!(message.topic, "image_labelled", "{}", message.body);
        assert!(published.insert(message.id.clone()), "{} twice", message.id);
    }
    assert_eq!(&published, identities);
    assert_eq!(local.topics.dead(None, 10).await.unwrap(), []);
}

fn every_picture_has_one_analysis(data: &Path, expected: &BTreeMap<String, u32>) {
    let export = Cli::new(["export", "--data"]).arg(data).run();
    assert_eq!(export.code, 0, "{}", export.stderr);
    let mut seen = BTreeSet::new();
    for line in export.stdout.lines() {
        let analysis: Value = serde_json::from_str(line).unwrap();
        let id = analysis["id"].as_str().unwrap();
        let number = expected.get(id).unwrap_or_else(|| panic!("of no upload: {analysis}"));
        assert!(seen.insert(id.to_owned()), "{id} has two analyses");
        assert_eq!(analysis["digest"], Digest::of(&numbered_picture(*number)).to_string());
        assert_eq!(analysis["source"], format!("bucket://local/{}", key(*number)));
    }
    assert_eq!(seen.len(), expected.len(), "an analysis is missing");
}
