//! The function that answers what is asked by message, and the sweep that forgets, on the emulators of AWS.

use tests::aws_world::{World as Aws, delivery, failures, schedule};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_runs_in_the_function_and_the_sweep_forgets() {
    let aws = Aws::asking("http://127.0.0.1:9").await;
    let (rekognition, wikipedia) = (RekognitionStandIn::start().await, WikipediaStandIn::start().await);
    let anna = shown(&[ANNA]).await;
    // The emulators check no signature, so that these credentials are good for all of them.
    let env = [
        ("CROSSLENS_PROCESSORS", "faces"),
        ("CROSSLENS_FACES", "rekognition"),
        ("CROSSLENS_ALLOW_SOURCE", &anna.source()),
        ("CROSSLENS_WIKIPEDIA_URL", &wikipedia.url()),
        ("AWS_ENDPOINT_URL_REKOGNITION", &rekognition.url()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    let function = aws.function(&env);
    let ask = async |words: Value| {
        let event = serde_json::to_value(asked(FROM, words)).unwrap();
        // Three deliveries in one batch, and those that are to come back once more.
        let batch = vec![event.clone(); 3];
        let again = failures(&function.invoke(&delivery(&batch)).await.unwrap());
        for _ in again {
            function.invoke(&delivery(std::slice::from_ref(&event))).await.unwrap();
        }
        let told: Vec<Value> = aws.told();
        assert_eq!(told.len(), 1, "one reply: {told:?}");
        assert_eq!(told[0]["subject"], event["subject"]);
        told[0]["data"].clone()
    };
    assert_eq!(ask(addcol("friends")).await["Message"], "Collection friends was created successfully");
    assert_eq!(ask(addimg("friends", "anna_a", &anna)).await["Message"], QUESTION);
    ask(json!({ "operation": "consent" })).await;
    let added = ask(addimg("friends", "anna_a", &anna)).await;
    assert_eq!(added["Message"], "Picture of anna_a added to Collection friends");
    assert_eq!(added["From_number"], FROM);
    let matched = ask(matching("friends", &anna)).await;
    assert_eq!(matched["Message"], "Face matched Anna A with 100.0 similarity and 99.9 confidence");
    assert_eq!(matched["Biography"], "Wikipedia has no entry under the name Anna A.");
    let vectors = || rekognition.with(|state| state.collections.values().map(Vec::len).sum::<usize>());
    assert_eq!(vectors(), 1);
    assert_eq!((rekognition.faults(), wikipedia.faults()), (Vec::new(), Vec::new()));

    let sweep = aws.function(&env);
    sweep.invoke(&schedule()).await.unwrap();
    assert_eq!(vectors(), 1, "it is too young");
    // A year later.
    use common::ports::{Notes as _, Vectors as _};
    let client = Clients::at(aws.ministack.url(), REGION, tests::KEY, tests::SECRET).await.dynamodb;
    let ledger = proxy_aws::dynamodb::DynamoLedger::new(client, "ledger".to_owned());
    let young = ledger.older(Timestamp::MAX, 10).await.unwrap().remove(0);
    let old =
        common::faces::Vector { added_at: Timestamp::now() - jiff::SignedDuration::from_hours(366 * 24), ..young };
    ledger.keep(&old).await.unwrap();
    sweep.invoke(&schedule()).await.unwrap();
    assert_eq!(vectors(), 0);
    assert_eq!(ledger.older(Timestamp::MAX, 10).await.unwrap(), []);
    assert_eq!(ledger.erasures(&owner(FROM), 10).await.unwrap()[0].vectors, 1);
    for log in [function.log(), sweep.log()] {
        for secret in ["5550100", "anna", "Anna"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}
