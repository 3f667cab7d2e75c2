//! Uploads: by `PUT`, and as a file that appears in the folder of the bucket. Both are labelled and told about.

use std::fs;

use tests::{Events, Server, client, numbered_picture, photo};

use super::{analysis, best, coffee, get, json, problem};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_is_labelled_and_told() {
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let key = "cups/a b+c é.png";
    let put = client().put(server.at("/uploads/cups/a%20b+c%20%C3%A9.png")).body(coffee());
    let stored = json(put.send().await.unwrap(), 201).await;
    assert_eq!(stored["key"], key);
    assert_eq!(fs::read(server.data().join("bucket").join(key)).unwrap(), coffee());

    let id = stored["id"].as_str().unwrap();
    let seen = events.until(id).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].topic, "image_labelled");
    assert_eq!(
        (best(&seen[0].event["data"]), &seen[0].event["type"]),
        ("espresso", &"dev.crosslens.image.labelled.v1".into())
    );
    assert!(seen[0].event["data"]["source"].as_str().unwrap().ends_with(key), "{seen:?}");
    let found = analysis(get(&server, stored["location"].as_str().unwrap())).await;
    assert_eq!(best(&found), "espresso");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_appears_in_the_bucket_is_labelled_and_told() {
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let bucket = server.data().join("bucket");
    fs::create_dir_all(bucket.join("cats")).unwrap();
    fs::copy(photo("chelsea.png"), bucket.join("cats/chelsea.png")).unwrap();
    let first = events.next().await;
    assert_eq!(first.topic, "image_labelled");
    assert!(best(&first.event["data"]).contains("cat"), "{first:?}");
    assert!(first.event["data"]["source"].as_str().unwrap().ends_with("cats/chelsea.png"), "{first:?}");

    // The same name with other bytes is another upload.
    fs::copy(photo("coffee.png"), bucket.join("cats/chelsea.png")).unwrap();
    let second = events.next().await;
    assert_eq!(best(&second.event["data"]), "espresso");
    assert_ne!(second.event["subject"], first.event["subject"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_told_as_failed_and_its_neighbour_is_labelled() {
    let server = Server::start::<_, &str>([]);
    let mut events = Events::follow(&server).await;
    let put = |key: &str, bytes: Vec<u8>| client().put(server.at(&format!("/uploads/{key}"))).body(bytes).send();
    let broken = json(put("notes.png", b"not a picture".to_vec()).await.unwrap(), 201).await;
    let whole = json(put("dot.bmp", numbered_picture(7)).await.unwrap(), 201).await;
    let mut seen = [events.next().await, events.next().await];
    seen.sort_by_key(|sent| sent.topic.clone());
    let [failed, labelled] = seen;
    assert_eq!((failed.topic.as_str(), &failed.event["subject"]), ("image_failed", &broken["id"]));
    assert_eq!(failed.event["data"]["problem"], "unsupported-media");
    assert_eq!((labelled.topic.as_str(), &labelled.event["subject"]), ("image_labelled", &whole["id"]));
    let state = analysis(get(&server, broken["location"].as_str().unwrap())).await;
    assert_eq!((&state["state"], &state["problem"]), (&"failed".into(), &"unsupported-media".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_not_leave_the_bucket() {
    let server = Server::start::<_, &str>([]);
    let put = |key: &str| client().put(server.at(&format!("/uploads/{key}"))).body(numbered_picture(1));
    for key in
        ["..%2fout.bmp", "a/..%2f..%2fout.bmp", "%2e%2e/out.bmp", "a%00b.bmp", "a%5cb.bmp", ".hidden.bmp", "a//b.bmp"]
    {
        let status = put(key).send().await.unwrap().status().as_u16();
        assert!(matches!(status, 400 | 404 | 405), "{key}: {status}");
    }
    problem(put("inbox/local-aaaaaaaaaaaaaaaaaaaaaaaaaa"), "forbidden", 403).await;
    problem(client().put(server.at("/uploads/empty.png")), "invalid-request", 400).await;
    assert!(!server.data().join("out.bmp").exists() && !server.data().parent().unwrap().join("out.bmp").exists());
}
