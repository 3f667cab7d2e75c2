//! The least that a function can be, with the same runtime: what `bench lambda` compares the real one with. Nobody deploys it.

use std::{convert::Infallible, process::ExitCode};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    let greet = service_fn(async |_: LambdaEvent<Value>| Ok::<_, Infallible>(json!({ "message": "hello" })));
    lambda_runtime::run(greet).await.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
