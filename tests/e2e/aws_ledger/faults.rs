//! Lost answers, throttling, conflicts and a table that is not there.

use common::error::Retry;

use super::*;

const UPDATE: &str = "DynamoDB_20120810.UpdateItem";
const BATCH: &str = "DynamoDB_20120810.BatchGetItem";

fn cancelled(code: &str) -> String {
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{ "Code": "None" }, { "Code": code, "Message": "as it was told" }],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_changes_nothing() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await;
    let done = analysis(1, b"picture");
    let event = Event::labelled(Cloud::Aws, &done, None);

    counted.lose_next(UPDATE, 1);
    let claim = won(&ledger, &done.id).await;
    assert_eq!(counted.calls(UPDATE), 2, "the SDK has repeated the call");
    counted.lose_next(TRANSACT, 1);
    ledger.record(&claim, &Query::default(), Outcome::Done(Box::new(done.clone())), Some(&event)).await.unwrap();
    assert_eq!(counted.calls(TRANSACT), 2);
    counted.lose_next(UPDATE, 1);
    ledger.published(&event.id).await.unwrap();
    assert!(ledger.unpublished(Duration::ZERO, 10).await.unwrap().is_empty());
    assert_eq!(ledger.state(&done.id).await.unwrap(), Some(State::Done(Box::new(done))));
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_waited_out() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await;
    let held =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"as it was told"}"#;
    counted.fail_next(UPDATE, 2, 400, held);
    counted.fail_next(TRANSACT, 3, 400, &cancelled("TransactionConflict"));
    record(&ledger, &analysis(1, b"picture")).await.unwrap();
    assert_eq!((counted.calls(UPDATE), counted.calls(TRANSACT)), (3, 4));

    counted.reset();
    counted.fail_next(TRANSACT, 100, 400, &cancelled("TransactionConflict"));
    let error = record(&ledger, &analysis(2, b"picture")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Later));
    assert!(error.message().contains("others write the same rows"), "{error}");
    assert!(counted.calls(TRANSACT) < 20, "it gives in");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_left_over_are_asked_again() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let ledger = ledger(&counted.url(), "ledger").await;
    record(&ledger, &analysis(1, b"picture")).await.unwrap();
    let key = json!({ "pk": { "S": format!("req#{}", id(1)) }, "sk": { "S": "req" } });
    let only = "pk, ana_pk, failure_json, #ttl";
    let names = json!({ "#ttl": "ttl" });
    let left = json!({ "Keys": [key], "ProjectionExpression": only, "ExpressionAttributeNames": names });
    let nothing = json!({ "Responses": {}, "UnprocessedKeys": { "ledger": left } }).to_string();
    counted.fail_next(BATCH, 2, 200, &nothing);
    assert_eq!(ledger.recorded(&[id(1)]).await.unwrap(), [id(1)].into());
    assert_eq!(counted.calls(BATCH), 3);
    counted.fail_next(BATCH, 100, 200, &nothing);
    let error = ledger.recorded(&[id(1)]).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Later), "a part is no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let counted = Counted::in_front_of(server.url()).await;
    let good = ledger(&counted.url(), "ledger").await;
    counted.fail_next(TRANSACT, 1, 400, &cancelled("ThrottlingError"));
    let error = record(&good, &analysis(1, b"picture")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Later));
    assert!(error.message().contains("more to do than it may"), "{error}");

    let denied =
        r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"arn:aws:iam::1:role/x may not"}"#;
    counted.fail_next(UPDATE, 1, 400, denied);
    let error = good.claim(&id(2), LEASE, true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains("check the function's role") && !error.message().contains("arn:"), "{error}");

    let nowhere = ledger(server.url(), "nowhere").await;
    for error in [
        nowhere.claim(&id(3), LEASE, true).await.unwrap_err(),
        nowhere.state(&id(3)).await.unwrap_err(),
        nowhere.unpublished(Duration::ZERO, 1).await.unwrap_err(),
        nowhere.recorded(&[id(3)]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable, "{error} {}", error.causes());
        assert!(error.message().contains("CROSSLENS_TABLE"), "{error}");
    }
}
