//! Bad days of the processors: killed at any moment, events delivered again.

use std::collections::BTreeMap;

use common::event::Event;
use local::{From, Local};
use rusqlite::Connection;
use tests::{Server, client, numbered_picture, run, wait_until};

use super::{COFFEE_AND_CATS, Moderated, bytes_of};

/// Every picture is blurred, whatever it shows.
const BLUR_ALL: &str = "[[rule]]\nname = \"all\"\naction = \"blur\"\nany = [{ label_matches = \".\", score = 0.0 }]\n";
const PICTURES: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_everything_happens_once() {
    let mut up = Moderated::build(BLUR_ALL, Server::build());
    for number in 0..PICTURES {
        up.put(&format!("{number}.bmp"), numbered_picture(number)).await;
        if number % 12 == 11 {
            up.server.restart();
        }
    }
    let connection = Connection::open(up.server.data().join("crosslens.db")).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    wait_until("all to be moderated, translated and written back", || {
        let settled =
            count("SELECT count(*) FROM settled WHERE processor IN ('moderation', 'translation', 'write-back')");
        // Write-back is told of three things about each picture.
        (settled == PICTURES * 5 && count("SELECT count(*) FROM outbox") == 0).then_some(())
    });
    assert_eq!(count("SELECT count(*) FROM audit"), PICTURES, "one line for each decision");
    assert_eq!(count("SELECT count(DISTINCT image) FROM audit"), PICTURES);
    assert_eq!(count("SELECT count(*) FROM delivery WHERE state = 'dead'"), 0);

    let local = Local::open_existing(up.server.data()).unwrap();
    let mut tail = local.topics.tail(&["image_moderated", "labels_translated"], From::Start).await.unwrap();
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..PICTURES * 2 {
        let event: Event = tail.next().await.unwrap().parse().unwrap();
        *told.entry(event.id).or_default() += 1;
    }
    assert_eq!(told.len(), (PICTURES * 2) as usize, "each event has one identity");
    let blurred = std::fs::read_dir(up.object("derived/blurred")).unwrap().count();
    assert_eq!(blurred, (PICTURES * 2) as usize, "a blurred picture and its provenance for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_again_nothing_happens_twice() {
    let up = Moderated::start(COFFEE_AND_CATS);
    let id = up.put("coffee.png", bytes_of("coffee.png")).await;
    up.sidecar("coffee.png", |sidecar| !sidecar["moderation"].is_null() && !sidecar["translations"].is_null());
    for _ in 0..3 {
        let data = up.server.data().to_str().unwrap();
        let replayed = run(["--data", data, "events", "replay", "--consumer", "moderation", "--from", "1"]);
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    }
    tokio::time::sleep(super::A_WHILE).await;
    let shown = client().get(up.server.at(&format!("/v1/reviews/{id}"))).send().await.unwrap();
    let shown: serde_json::Value = shown.json().await.unwrap();
    assert_eq!(shown["audit"].as_array().unwrap().len(), 1, "{shown}");
    let local = Local::open_existing(up.server.data()).unwrap();
    let mut tail = local.topics.tail(&["image_moderated"], From::Start).await.unwrap();
    tail.next().await.unwrap();
    let more = tokio::time::timeout(super::A_WHILE, tail.next()).await;
    assert!(more.is_err(), "told twice: {more:?}");
}
