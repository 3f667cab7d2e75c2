//! What is kept: by id, by label, page by page, until it is erased; and the promises of a 202.

use std::collections::BTreeSet;

use local::{From, Local};
use tests::{Events, Server, client, numbered_picture, wait_until_async};

use super::{analysis, best, coffee, get, get_with, json, post, post_with, problem};

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_stays_until_it_is_erased() {
    let mut server = Server::start::<_, &str>([]);
    let found = analysis(post(&server, coffee())).await;
    let path = format!("/v1/images/{}", found["id"].as_str().unwrap());
    assert_eq!(analysis(get(&server, &path)).await, found);
    server.restart();
    assert_eq!(analysis(get(&server, &path)).await, found, "a restart forgets");

    assert_eq!(client().delete(server.at(&path)).send().await.unwrap().status(), 204);
    problem(get(&server, &path), "not-found", 404).await;
    problem(client().delete(server.at(&path)), "not-found", 404).await;
    assert_eq!(analysis(get(&server, "/v1/images")).await["images"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_is_forgotten_after_the_retention() {
    let server = Server::start(["--retention", "4s"]);
    let found = analysis(post(&server, coffee())).await;
    let path = format!("/v1/images/{}", found["id"].as_str().unwrap());
    assert_eq!(analysis(get(&server, &path)).await, found);
    wait_until_async("the analysis to be forgotten", async || {
        (get(&server, &path).send().await.unwrap().status() != 200).then_some(())
    })
    .await;
    problem(get(&server, &path), "not-found", 404).await;
    assert_eq!(analysis(get(&server, "/v1/images")).await["images"], serde_json::json!([]));
    let topics = Local::open_existing(server.data()).unwrap().topics;
    wait_until_async("the event to be forgotten", async || {
        let mut tail = topics.tail(&[], From::Start).await.unwrap();
        tail.try_next().await.unwrap().is_none().then_some(())
    })
    .await;
    let anew = analysis(post(&server, coffee())).await;
    assert_eq!(anew["id"], found["id"]);
    assert_ne!(anew["analyzedAt"], found["analyzedAt"], "it was not forgotten after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn analyses_are_listed_by_label_newest_first_each_once() {
    let server = Server::start::<_, &str>([]);
    let mut wanted = Vec::new();
    for number in 0..5_u32 {
        // What stands behind the end of a PNG is not part of the picture, but of its identity.
        let bytes = [coffee(), number.to_le_bytes().to_vec()].concat();
        wanted.push(analysis(post(&server, bytes)).await["id"].clone());
        analysis(post(&server, numbered_picture(number))).await;
    }
    wanted.reverse();
    let (mut listed, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("label", "ESPRESSO"), ("limit", "2")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = analysis(get_with(&server, "/v1/images", &query)).await;
        let images = page["images"].as_array().unwrap();
        assert!(images.len() <= 2 && images.iter().all(|image| best(image) == "espresso"), "{page}");
        listed.extend(images.iter().map(|image| image["id"].clone()));
        cursor = page.get("cursor").and_then(|cursor| cursor.as_str()).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, wanted);
    assert_eq!(analysis(get(&server, "/v1/images?limit=100")).await["images"].as_array().unwrap().len(), 10);
    assert_eq!(analysis(get(&server, "/v1/images?label=zebra")).await["images"].as_array().unwrap().len(), 0);
    problem(get(&server, "/v1/images?limit=0"), "invalid-request", 400).await;
    problem(get(&server, "/v1/images?limit=many"), "invalid-request", 400).await;
    problem(get(&server, "/v1/images?cursor=nonsense"), "invalid-request", 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_answered_alike_and_published_once() {
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let mut at_once = Vec::new();
    for _ in 0..8 {
        at_once.push(tokio::spawn(analysis(post(&server, coffee()))));
    }
    let mut answers = BTreeSet::new();
    for one in at_once {
        answers.insert(one.await.unwrap().to_string());
    }
    answers.insert(analysis(post(&server, coffee())).await.to_string());
    assert_eq!(answers.len(), 1, "{answers:?}");

    let named = |key: &'static str| analysis(post(&server, coffee()).header("idempotency-key", key));
    let (one, again, other) = (named("one").await, named("one").await, named("other").await);
    assert_eq!(one, again);
    assert_ne!(one["id"], other["id"], "another key is another request");
    assert_eq!(one["analyzedAt"], other["analyzedAt"], "the same bytes were paid for twice");
    let silent = analysis(post_with(&server, numbered_picture(1), &[("publish", "false")])).await;
    let last = analysis(post(&server, numbered_picture(2))).await;

    let seen = events.until(last["id"].as_str().unwrap()).await;
    let ids: Vec<&str> = seen.iter().map(|sent| sent.event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "one event for each request: {ids:?}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4, "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with(silent["id"].as_str().unwrap())), "publish=false was published");
    assert!(seen.iter().all(|sent| sent.topic == "image_labelled" && sent.event["specversion"] == "1.0"));

    problem(post(&server, coffee()).header("idempotency-key", "k".repeat(256)), "invalid-request", 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_work_is_done_later_under_the_promised_id() {
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let response = post(&server, coffee()).header("prefer", "respond-async").send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let promise = json(response, 202).await;
    let id = promise["id"].as_str().unwrap();
    assert_eq!(location, format!("/v1/images/{id}"));

    let seen = events.until(id).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let found = analysis(get(&server, &location)).await;
    assert_eq!((best(&found), &seen[0].event["data"]), ("espresso", &found));

    let again = post(&server, coffee()).header("prefer", "wait=5, respond-async").send().await.unwrap();
    assert_eq!(json(again, 202).await["id"], id, "the same request has another id");
    assert_eq!(analysis(post(&server, coffee())).await["id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_kept_while_no_detector_answers() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let detector = format!("http://{nobody}");
    let server = Server::build().args(["--detector", &detector]).without_model().start();
    let response = post(&server, coffee()).send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    json(response, 202).await;
    assert_eq!(analysis(get(&server, &location)).await["state"], "pending");
    problem(get(&server, "/detect"), "unavailable", 503).await;

    let data = server.data().to_owned();
    let kept = tempfile::tempdir().unwrap();
    let server = {
        let moved = kept.path().join("data");
        let mut server = server;
        assert!(server.sigterm().success());
        std::fs::rename(data, &moved).unwrap();
        Server::build().data(moved).start()
    };
    let found = wait_until_async("the kept work to be done", async || {
        let known = analysis(get(&server, &location)).await;
        known.get("labels").is_some().then_some(known)
    });
    assert_eq!(best(&found.await), "espresso");
}
