//! The table that the ledger on DynamoDB wants, made as an operator would make it.

use serde_json::{Value, json};

use crate::boto::Boto;

/// Makes an empty table for a ledger, with its two indexes.
pub fn ledger_table(boto: &Boto, name: &str) {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let index = |name: &str, partition: &str, sort: &str| {
        json!({
            "IndexName": name, "KeySchema": keys(partition, sort), "Projection": { "ProjectionType": "KEYS_ONLY" }
        })
    };
    let attributes = [
        attribute("pk", "S"),
        attribute("sk", "S"),
        attribute("outbox", "S"),
        attribute("recorded_ms", "N"),
        attribute("expiring", "S"),
        attribute("ttl", "N"),
    ];
    let table = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("pk", "sk"),
        "AttributeDefinitions": attributes,
        "GlobalSecondaryIndexes": [index("outbox", "outbox", "recorded_ms"), index("expiring", "expiring", "ttl")],
    });
    boto.call("dynamodb", "create_table", table);
}

fn keys(partition: &str, sort: &str) -> Value {
    json!([{ "AttributeName": partition, "KeyType": "HASH" }, { "AttributeName": sort, "KeyType": "RANGE" }])
}
