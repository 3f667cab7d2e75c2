//! Events through all processors of one machine: images are recorded and told about beforehand, then `up` starts and works them
//! off. No detector is asked and nothing is blurred.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::{
    analysis::{Analysis, DetectorId, Findings, Label},
    event::Event,
    image::{Digest, MediaType},
    intake::Limits,
    ports::{Claimed, Ledger, Outbox, Outcome, Publish, Store},
    request::{Cloud, ImageSource, Query},
};
use local::Local;
use rusqlite::Connection;
use tests::Server;

/// What is settled about an image: moderation, translation, and write-back's three.
const SETTLED: u64 = 5;

/// Prints events a second and memory, for objects in the bucket and for images that lie nowhere.
pub(crate) fn run(events: u64) {
    tests::model_cache();
    for (what, objects) in [("images of requests", false), ("objects in the bucket, with sidecars", true)] {
        let data = tempfile::tempdir().unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(prepare(data.path(), events, objects));
        let server = Server::build().data(data.path()).env("RUST_LOG", "warn").start();
        let started = Instant::now();
        let (mut early, mut done) = (0, 0);
        while done < events * SETTLED {
            std::thread::sleep(Duration::from_millis(50));
            done = settled(data.path());
            if early == 0 && done > events * SETTLED / 10 {
                early = server.memory().resident;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "processors: {events} image_labelled of {what}: {:.0} a second ({:.0} events of all topics a second), {} MB after a tenth, {} MB at the end",
            events as f64 / seconds,
            3.0 * events as f64 / seconds,
            early / 1_000_000,
            server.memory().resident / 1_000_000,
        );
    }
}

fn settled(data: &Path) -> u64 {
    let connection = Connection::open(data.join("crosslens.db")).unwrap();
    connection.query_row("SELECT count(*) FROM settled", [], |row| row.get(0)).unwrap()
}

async fn prepare(data: &Path, events: u64, objects: bool) {
    let local = Local::open(data, &Limits::default()).unwrap();
    let numbers: Vec<u64> = (0..events).collect();
    for some in numbers.chunks(500) {
        let told = futures_util::future::join_all(some.iter().map(|number| image(&local, *number, objects))).await;
        for told in local.topics.publish(&told).await {
            told.unwrap();
        }
        let published = told.iter().map(|event| local.ledger.published(&event.id));
        futures_util::future::join_all(published).await.into_iter().for_each(|done| done.unwrap());
    }
}

/// Records an image as the pipeline does.
async fn image(local: &Local, number: u64, object: bool) -> Event {
    let bytes = tests::numbered_picture(u32::try_from(number).unwrap());
    let object = object.then(|| local::object(&format!("{}/{number}.bmp", number / 1000), local::etag(&bytes)));
    let id = local::object(&format!("{number}"), local::etag(&bytes)).id(Cloud::Local, &Query::default());
    let words = ["espresso", "cup", "coffee mug", "tabby", "rocket that no glossary knows"];
    let label = |(place, word): (u64, &&str)| Label {
        description: (*word).to_owned(),
        score: 1.0 / (1 + place + number % 3) as f32,
        mid: None,
    };
    let analysis = Analysis {
        id: id.clone(),
        part_of: None,
        request_id: number.to_string(),
        digest: Digest::of(&bytes),
        source: object.clone().and_then(|object| ImageSource::Object(object).shown(Cloud::Local)),
        media_type: MediaType::Bmp,
        width: 8,
        height: 8,
        detector: DetectorId { provider: "made-up".to_owned(), model: "1".to_owned() },
        findings: Findings { labels: Some((0..).zip(&words).map(label).collect()), ..Findings::default() },
        analyzed_at: jiff::Timestamp::now(),
        duration_ms: 1,
    };
    if let Some(object) = object {
        local.bucket.put(&object.key, bytes.into()).await.unwrap();
    }
    let Claimed::Won(claim) = local.ledger.claim(&id, Duration::from_secs(60), true).await.unwrap() else {
        panic!("{id} is not new")
    };
    let event = Event::labelled(Cloud::Local, &analysis, None);
    local.ledger.record(&claim, &Query::default(), Outcome::Done(Box::new(analysis)), Some(&event)).await.unwrap();
    event
}
