//! What an image costs: calls, write units, bytes that cross, processor time, lines of the log, over batches of ten photographs
//! of more than 3 MB.

use std::{collections::BTreeMap, io::Cursor, path::Path, time::Duration};

use image::{RgbImage, imageops::FilterType};
use serde_json::{Value, json};
use tests::aws_world::{World, delivery, failures, notification, schedule};

use super::{DETECT, Timed, processor_seconds, spans};

/// What Vision is taken to need.
const ANSWER: Duration = Duration::from_millis(400);
const BATCHES: usize = 3;
/// The share of a processor that 512 MB have: 1,769 MB are a whole one
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
const SHARE: f64 = 512.0 / 1769.0;

/// Prints the counters and what they make at Lambda's share of a processor.
pub(super) async fn run(world: &World, proxy: &Path) {
    let timed = Timed::start(proxy, &super::env(world)).await;
    world.detecting.forget_faults();
    batch(world, &timed, 0).await;
    let images = (BATCHES * 10) as f64;
    timed.forget(world);
    let (cpu, log) = (processor_seconds(timed.function.pid()), timed.function.log().len());
    for number in 1..=BATCHES {
        batch(world, &timed, number).await;
    }
    let cpu = (processor_seconds(timed.function.pid()) - cpu) / images;
    let log = (timed.function.log().len() - log) as f64 / images;
    let mut calls: BTreeMap<String, f64> = BTreeMap::new();
    for took in world.aws.times() {
        let name = if took.name.starts_with("GET /") { "S3 GET".to_owned() } else { took.name };
        // What the benchmark itself uploads goes to ministack directly and is not counted here.
        *calls.entry(name).or_default() += 1.0 / images;
    }
    println!("  calls of AWS an image, in batches of ten photographs:");
    calls.iter().for_each(|(name, count)| println!("    {name}: {count:.2}"));
    let crossing: Vec<usize> = world.detecting.times().iter().map(|took| took.sent).collect();
    let most = crossing.iter().max().unwrap();
    let mean = crossing.iter().sum::<usize>() as f64 / crossing.len() as f64;
    println!(
        "  bytes that cross for labels: {mean:.0} on average, {most} at the most, for photographs of {} bytes",
        photograph(0).len()
    );
    let spans: Vec<f64> =
        spans::invocations(&timed.emulator.times()).into_iter().map(|span| spans::length(span).as_secs_f64()).collect();
    println!(
        "  here {:.0} ms of an invocation of ten and {:.0} ms of processor an image; {log:.0} bytes of log an image",
        spans.iter().sum::<f64>() * 1000.0 / spans.len() as f64,
        cpu * 1000.0
    );
    println!("  with 512 MB, which have {SHARE:.2} of a processor, that work takes {:.2} s an image", cpu / SHARE);
    let memory = tests::memory(timed.function.pid()).unwrap();
    println!("  peak {:.0} MB resident", memory.peak as f64 / 1e6);
    write_units(world, &timed).await;
}

async fn batch(world: &World, timed: &Timed, number: usize) {
    let upload = |n: usize| notification(&[world.put(&format!("bill/{number}/{n}.jpg"), &photograph(number * 10 + n))]);
    let bodies: Vec<Value> = (0..10).map(upload).collect();
    world.detecting.slow_next(DETECT, 10, ANSWER);
    assert!(failures(&timed.invoke(&delivery(&bodies)).await).is_empty());
}

/// A photograph as it comes from a camera, with other bytes behind its end.
fn photograph(number: usize) -> Vec<u8> {
    static ONE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let one = ONE.get_or_init(|| {
        let photo = image::open(tests::photo("astronaut.png")).unwrap().to_rgb8();
        let mut picture: RgbImage = image::imageops::resize(&photo, 4000, 3000, FilterType::CatmullRom);
        let mut state = 1_u32;
        for sample in picture.iter_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = sample.saturating_add_signed((state >> 28) as i8 - 8);
        }
        let mut bytes = Cursor::new(Vec::new());
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 92).encode_image(&picture).unwrap();
        bytes.into_inner()
    });
    [&one[..], &number.to_be_bytes()].concat()
}

/// The rows of one image while its event waits, by DynamoDB's rule of what a row weighs, and the write units that follow: a
/// transaction counts double, and an index takes one for what enters it and one for what leaves.
async fn write_units(world: &World, timed: &Timed) {
    let boto = world.ministack.boto();
    let scan = || boto.call("dynamodb", "scan", json!({ "TableName": "ledger" }))["Items"].as_array().unwrap().clone();
    let before = scan();
    world.aws.fail_next("PublishBatch", 1, 503, "no");
    let body = notification(&[world.put("rows/one.jpg", &photograph(999))]);
    assert!(failures(&timed.invoke(&delivery(&[body])).await).is_empty());
    let mut transaction = 0.0;
    let mut event = 0.0;
    for row in scan().iter().filter(|row| !before.contains(row)) {
        let bytes = weight(row);
        let units = (bytes as f64 / 1024.0).ceil();
        println!("    a row of {bytes} bytes: {}", row["pk"]["S"].as_str().unwrap().split('#').next().unwrap());
        transaction += 2.0 * units;
        if row.get("event_json").is_some() {
            event = units;
        }
    }
    println!(
        "  write units an image: 1 for the claim, {transaction:.0} for the transaction, {event:.0} for the event's end, 2 for the index: {:.0}",
        1.0 + transaction + event + 2.0
    );
    timed.invoke(&schedule()).await;
}

/// Names and values, as UTF-8 or as bytes; a number is half its digits and one, a truth value one.
fn weight(row: &Value) -> usize {
    let value = |value: &Value| match value.as_object().and_then(|one| one.iter().next()) {
        Some((kind, Value::String(text))) if kind == "N" => text.len().div_ceil(2) + 1,
        Some((kind, Value::String(text))) if kind == "S" => text.len(),
        Some((_, Value::Object(bytes))) => {
            bytes.values().filter_map(Value::as_str).map(|text| text.len() * 3 / 4).sum()
        }
        _ => 1,
    };
    row.as_object().unwrap().iter().map(|(name, held)| name.len() + value(held)).sum()
}
