//! What is asked by message of a running `crosslens up`: the topics of the data folder, from another process.

use tests::wait_until_async;

use super::{http::built, *};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_runs_on_one_machine_and_outlives_a_power_cut() {
    let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
    wikipedia.entry("Anna_A", "standard", "Singer", "Anna A is a singer.");
    let anna = shown(&[ANNA]).await;
    let mut server = built(&rekognition, &wikipedia)
        .args(["--allow-source", &anna.source()])
        .env("CROSSLENS_RETRY_FIRST_MS", "10")
        .start();
    let local = Local::open_shared(server.data(), &Limits::default()).unwrap();
    let reply = async |event: &Event| {
        wait_until_async("the reply", async || {
            let mut tail = local.topics.tail(&["dispatch_response"], Begin::Start).await.unwrap();
            while let Some(message) = tail.try_next().await.unwrap() {
                let said = message.parse::<Event>().unwrap();
                if let (true, Payload::Replied(reply)) = (said.subject == event.subject, said.data) {
                    return Some(*reply);
                }
            }
            None
        })
        .await
    };
    let ask = async |words: Value| {
        let event = asked(FROM, words);
        for _ in 0..3 {
            local.topics.publish(std::slice::from_ref(&event)).await.pop().unwrap().unwrap();
        }
        reply(&event).await.message
    };
    assert_eq!(ask(addcol("friends")).await, "Collection friends was created successfully");
    assert_eq!(ask(addimg("friends", "anna_a", &anna)).await, QUESTION);
    ask(json!({ "operation": "consent" })).await;
    let picture = addimg("friends", "anna_a", &anna);
    assert_eq!(ask(picture.clone()).await, "Picture of anna_a added to Collection friends");

    // Killed while Rekognition holds its answer back: the vector is made, and nobody knows.
    rekognition.hold();
    let event = asked(FROM, picture);
    local.topics.publish(std::slice::from_ref(&event)).await.pop().unwrap().unwrap();
    let indexed = || rekognition.asked().iter().filter(|asked| asked.operation == "IndexFaces").count();
    wait_until_async("the call", async || (indexed() == 2).then_some(())).await;
    server.kill9();
    rekognition.release();
    server.restart();
    assert_eq!(reply(&event).await.message, "Picture of anna_a added to Collection friends");
    let vectors = rekognition.with(|state| state.collections.values().map(Vec::len).sum::<usize>());
    assert_eq!((indexed(), vectors), (2, 2), "one vector for each request");

    let event = asked(FROM, matching("friends", &anna));
    local.topics.publish(std::slice::from_ref(&event)).await.pop().unwrap().unwrap();
    let matched = reply(&event).await;
    assert_eq!(matched.message, "Face matched Anna A with 100.0 similarity and 99.9 confidence");
    assert!(matched.biography.unwrap().ends_with("Source: https://en.wikipedia.org/wiki/Anna_A"));
    assert_eq!((rekognition.faults(), wikipedia.faults()), (Vec::new(), Vec::new()));
    let log = server.stderr();
    for secret in ["5550100", "anna", "Anna"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faces_go_when_their_time_is_over() {
    let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
    let server = built(&rekognition, &wikipedia).args(["--faces-retention", "2s"]).start();
    let post = async |path: &str, body: Vec<u8>| tests::client().post(server.at(path)).body(body).send().await.unwrap();
    post("/v1/collections", br#"{"name":"friends"}"#.to_vec()).await;
    let added = post("/v1/collections/friends/faces?person=anna_a&consent=true", portrait(&[ANNA])).await;
    assert_eq!(added.status(), 201);
    wait_until_async("nothing to be kept", async || {
        rekognition.with(|state| state.collections.values().all(Vec::is_empty)).then_some(())
    })
    .await;
    let local = Local::open_shared(server.data(), &Limits::default()).unwrap();
    let owner = Owner::of_caller(&common::request::Caller("local".to_owned()));
    use common::ports::Notes as _;
    let lines = wait_until_async("the audit log", async || {
        let lines = local.ledger.erasures(&owner, 10).await.unwrap();
        (!lines.is_empty()).then_some(lines)
    })
    .await;
    assert_eq!((lines.len(), lines[0].vectors), (1, 1));
}

#[test]
fn who_keeps_faces_is_one_that_is_known() {
    let folder = TempDir::new().unwrap();
    let ended =
        tests::Cli::new(["up", "--faces", "somebody", "--faces-retention", "0", "--data"]).arg(folder.path()).run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--faces: none or rekognition"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--faces-retention"), "{}", ended.stderr);
}
