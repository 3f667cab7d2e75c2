//! The function: the loop that asks Lambda for events; what answers them is wired in `compose`.

#![recursion_limit = "256"]

mod compose;
mod config;

use std::{io::Write as _, process::ExitCode};

use common::{
    error::{Result, internal},
    http::use_ring,
    log, tls,
};
use lambda_runtime::{LambdaEvent, service_fn};
use proxy_aws::clients::Clients;
use serde_json::value::RawValue;

use compose::compose;
use config::{Settings, environment};

/// On one thread: Lambda gives one event at a time and, at the usual sizes, less than one processor; pictures are decoded on threads
/// of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.causes();
            let because = if causes.is_empty() { String::new() } else { format!(" ({causes})") };
            let _ = writeln!(std::io::stderr(), "proxy-aws: {}{because}", error.message());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let settings = Settings::resolve(&environment())?;
    log::init(log::Format::Json, &settings.log_filter)?;
    use_ring();
    tls::read_ahead();
    let entry = compose(&settings, &Clients::from_environment().await).await?;
    let handle = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let entry = entry.clone();
        async move { entry.handle(event).await }
    });
    lambda_runtime::run(handle).await.map_err(internal)
}
