//! From the start of the process to its first question for work, beside a hello world of the same runtime; and what both hold
//! when idle.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tests::{GoogleStandIn, aws_world::World};

use super::{NEXT, Timed};
use crate::median;

/// Prints both, in turns.
pub(super) async fn run(world: &World, proxy: &Path, hello: &Path, rounds: usize) {
    // Everything that the real function builds before it asks: clients, both detectors, the identity for the first of them.
    let mut env = super::env(world);
    env.retain(|(name, _)| *name != "CROSSLENS_DETECTORS");
    env.push(("CROSSLENS_DETECTORS", format!("{},rekognition", world.detecting.url())));
    env.push(("CROSSLENS_GOOGLE_CREDENTIALS", GoogleStandIn::start().await.credentials().to_string()));
    let health = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/health/live", "rawQueryString": "",
        "headers": { "host": "front.example", "x-forwarded-proto": "https" },
        "requestContext": { "stage": "$default", "requestId": "r", "domainName": "front.example",
            "http": { "method": "GET", "path": "/health/live", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "b" } },
        "isBase64Encoded": false,
    });
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our = first_question(proxy, &env, &health).await;
        let their = first_question(hello, &[], &json!({})).await;
        ours.push(our);
        theirs.push(their);
        ratios.push(our / their);
    }
    ours.sort_by(f64::total_cmp);
    println!(
        "  start to first poll: {:.1} ms (slowest of {rounds}: {:.1}), hello world {:.1} ms, median ratio {:.2}",
        median(ours.clone()),
        ours[ours.len() - 1],
        median(theirs),
        median(ratios)
    );
    for (name, program, env, event) in
        [("proxy", proxy, &env[..], &health), ("hello world", hello, &[][..], &json!({}))]
    {
        let timed = Timed::start(program, env).await;
        timed.invoke(event).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let memory = tests::memory(timed.function.pid()).unwrap();
        println!("  {name}, idle after its first answer: {:.1} MB resident", memory.resident as f64 / 1e6);
    }
}

/// Milliseconds.
async fn first_question(program: &Path, env: &[(&'static str, String)], event: &Value) -> f64 {
    let clock = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
    let timed = Timed::start(program, env).await;
    timed.invoke(event).await;
    let started: f64 = std::fs::read_to_string(timed.started.path().join("at")).unwrap().trim().parse().unwrap();
    let first = timed.emulator.times().into_iter().find(|took| took.name == NEXT).unwrap().begun;
    (clock.1 + (first - clock.0).as_secs_f64() - started) * 1000.0
}
