//! `detector-gcp --detector vision` on good days: what is sent, what is joined, what is counted. Behind it is the stand-in of
//! the tests, which checks what it gets.

mod bad_days;

use std::{io::Cursor, time::Duration};

use common::{
    intake::{Intake, Limits},
    ports::suites,
};
use detector_gcp::vision::{Credentials, Vision, VisionSettings};
use futures_util::future::join_all;
use image::{ImageFormat, ImageReader, RgbImage};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tests::{Detector, Reply, VisionStandIn, client, numbered_picture, photo};
use tokio::task::JoinHandle;

/// A detector in front of a stand-in, with these arguments besides.
async fn detector(args: &[&str]) -> (VisionStandIn, Detector) {
    let vision = VisionStandIn::start().await;
    let detector = Detector::vision(&vision.url()).args(args).start();
    (vision, detector)
}

async fn post(client: &Client, detector: &Detector, picture: impl Into<reqwest::Body>, features: &str) -> Response {
    let url = detector.at(&format!("/v1/detect?features={features}"));
    client.post(url).body(picture).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

/// The figure of a metric, summed over its labels.
async fn metric(client: &Client, detector: &Detector, name: &str) -> f64 {
    let text = client.get(detector.at("/metrics")).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Asks about a picture of its own, beside the test; gives the answer's status.
fn ask(client: &Client, detector: &Detector, number: u32) -> JoinHandle<u16> {
    let (client, url) = (client.clone(), detector.at("/v1/detect"));
    tokio::spawn(async move { client.post(url).body(numbered_picture(number)).send().await.unwrap().status().as_u16() })
}

/// Makes sixteen calls, as many as there may be, that end when the stand-in is released.
async fn every_call_busy(vision: &VisionStandIn, detector: &Detector) -> Vec<JoinHandle<u16>> {
    vision.hold();
    let mut asked = Vec::new();
    for number in 0..16 {
        asked.push(ask(&client(), detector, 1000 + number));
        // One after the other, so that none shares its call.
        tests::wait_until_async("the call to arrive", async || (vision.images().len() == asked.len()).then_some(()))
            .await;
    }
    asked
}

/// Waits until so many images wait for a call.
async fn waiting(client: &Client, detector: &Detector, images: u32) {
    tests::wait_until_async("images to wait for a call", async || {
        let waiting = metric(client, detector, "crosslens_provider_waiting_images").await;
        (waiting >= f64::from(images)).then_some(())
    })
    .await;
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture =
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x / 9) as u8, (y / 9) as u8, ((x ^ y) / 5) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

fn size(bytes: &[u8]) -> (u32, u32) {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_dimensions().unwrap()
}

#[tokio::test]
async fn labels_are_told_with_provider_and_bill() {
    let (vision, detector) = detector(&[]).await;
    let client = client();
    let answer = json_of(post(&client, &detector, jpeg(100, 80), "labels,safe_search,celebrities").await).await;
    assert_eq!(answer["provider"], "google-vision");
    assert_eq!(answer["labels"][0]["description"], "Coffee");
    assert_eq!(answer["labels"][0]["mid"], "/m/02vqfm");
    assert_eq!(answer["safeSearch"]["medical"], "UNLIKELY");
    assert_eq!(answer["unsupported"], json!(["celebrities"]));
    assert_eq!(answer["billedUnits"], json!({ "labels": 1 }), "safe search is free beside labels");
    assert_eq!(vision.calls().len(), 1, "all features in one call");
    assert_eq!(metric(&client, &detector, "crosslens_billed_units_total").await, 1.0);
}

#[tokio::test]
async fn the_adapter_behaves_as_every_detector_does() {
    let vision = VisionStandIn::start().await;
    let intake = Intake::new(Limits::default());
    let endpoint = Some(vision.url().parse().unwrap());
    let settings = VisionSettings { endpoint, credentials: Credentials::Anonymous, ..VisionSettings::default() };
    let adapter = Vision::new(&settings, intake.clone()).await.unwrap();
    suites::detect(&adapter, &intake.admit(jpeg(200, 100).into()).unwrap()).await;
}

#[tokio::test]
async fn pictures_are_sent_as_small_as_the_features_allow() {
    let (vision, detector) = detector(&[]).await;
    let client = client();
    let large = jpeg(3000, 2000);
    for (features, expected) in [("labels", (640, 427)), ("text", (1024, 683)), ("faces,labels", (1600, 1067))] {
        vision.next([Reply::Answers(vec![json!({ "labelAnnotations": [{ "description": "x", "score": 1 }] })])]);
        let answer = json_of(post(&client, &detector, large.clone(), features).await).await;
        assert_eq!((&answer["width"], &answer["height"]), (&json!(3000), &json!(2000)), "of the original");
        assert_eq!(size(&vision.calls().last().unwrap().images[0]), expected, "{features}");
    }
    let small = jpeg(640, 480);
    json_of(post(&client, &detector, small.clone(), "labels").await).await;
    assert!(vision.calls().last().unwrap().images[0] == small, "what is small enough goes as it is");
}

#[tokio::test]
async fn a_picture_is_sent_upright_and_its_boxes_are_parts_of_it() {
    let (vision, detector) = detector(&[]).await;
    // EXIF with orientation 6: to be turned by a quarter to the right.
    let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let plain = jpeg(400, 200);
    let turned = [&plain[..2], exif, &plain[2..]].concat();
    let vertices =
        json!([{ "x": 50, "y": 100 }, { "x": 150, "y": 100 }, { "x": 150, "y": 300 }, { "x": 50, "y": 300 }]);
    let face =
        json!({ "faceAnnotations": [{ "fdBoundingPoly": { "vertices": vertices }, "detectionConfidence": 0.9 }] });
    vision.next([Reply::Answers(vec![face])]);
    let answer = json_of(post(&client(), &detector, turned, "faces").await).await;
    assert_eq!(size(&vision.calls()[0].images[0]), (200, 400));
    assert_eq!(answer["faces"][0]["bounds"], json!({ "left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5 }));
}

#[tokio::test]
async fn identical_pictures_in_flight_are_one_call() {
    let (vision, detector) = detector(&[]).await;
    vision.delay(Duration::from_millis(300));
    let (client, picture) = (client(), jpeg(64, 64));
    let all = join_all((0..40).map(|_| post(&client, &detector, picture.clone(), "labels"))).await;
    assert!(all.iter().all(|response| response.status() == 200));
    json_of(post(&client, &detector, picture, "labels").await).await;
    assert_eq!(vision.images(), [1]);
}

#[tokio::test]
async fn what_waits_while_all_calls_are_busy_goes_together() {
    let (vision, detector) = detector(&[]).await;
    let client = client();
    let mut all = every_call_busy(&vision, &detector).await;
    all.extend((0..224).map(|number| ask(&client, &detector, number)));
    waiting(&client, &detector, 224).await;
    vision.release();
    for answer in all {
        assert_eq!(answer.await.unwrap(), 200);
    }
    let images = vision.images();
    let (alone, joined) = images.split_at(16);
    assert_eq!(alone, [1; 16], "with calls to spare an image goes at once");
    assert_eq!(joined, [16; 14], "once saturated, calls are full");
}

#[tokio::test]
async fn the_days_units_and_the_minutes_images_have_an_end() {
    let client = client();
    let (vision, capped) = detector(&["--units-per-day", "3"]).await;
    for number in 0..3 {
        assert_eq!(post(&client, &capped, numbered_picture(number), "labels").await.status(), 200);
    }
    let refused = post(&client, &capped, numbered_picture(9), "labels").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait));
    assert_eq!(
        post(&client, &capped, numbered_picture(0), "labels").await.status(),
        200,
        "what is known costs nothing"
    );
    assert_eq!(vision.images().len(), 3);

    let (vision, limited) = detector(&["--quota-per-minute", "5"]).await;
    let all = join_all((0..20).map(|number| post(&client, &limited, numbered_picture(number), "labels"))).await;
    let refused: Vec<&Response> = all.iter().filter(|response| response.status() == 429).collect();
    assert_eq!((refused.len(), vision.images().iter().sum::<usize>()), (15, 5));
    for response in refused {
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn logs_are_what_cloud_logging_reads() {
    let vision = VisionStandIn::start().await;
    let detector = Detector::vision(&vision.url()).env("GOOGLE_CLOUD_PROJECT", "shop").start();
    let request = client().post(detector.at("/v1/detect?features=labels")).body(jpeg(60, 60));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let response = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let entry = tests::wait_until_async("the request's line", async || {
        let lines = detector.stderr();
        let mut entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.find(|entry| entry["httpRequest"]["requestUrl"] == "/v1/detect")
    })
    .await;
    assert_eq!(entry["severity"], "INFO");
    assert_eq!(entry["logging.googleapis.com/trace"], format!("projects/shop/traces/{trace}"));
    assert_eq!(
        (&entry["httpRequest"]["status"], &entry["httpRequest"]["requestMethod"]),
        (&json!(200), &json!("POST"))
    );
    assert!(detector.stderr().contains("everybody who reaches this listener"), "being open is said");
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way() {
    let (vision, mut detector) = detector(&[]).await;
    vision.delay(Duration::from_millis(700));
    let client = client();
    let url = detector.at("/v1/detect");
    let under_way = tokio::spawn(client.post(url).body(jpeg(50, 50)).send());
    tests::wait_until_async("the call to arrive", async || (!vision.images().is_empty()).then_some(())).await;
    let ended = tokio::task::spawn_blocking(move || detector.sigterm()).await.unwrap();
    assert!(ended.success());
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_real_photograph_of_three_megabytes_is_small_on_its_way() {
    let (vision, detector) = detector(&[]).await;
    let photo = image::open(photo("coffee.png")).unwrap();
    let large = photo.resize(4800, 3200, image::imageops::FilterType::CatmullRom).to_rgb8();
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(&large).unwrap();
    assert!(bytes.len() > 3_000_000, "{}", bytes.len());
    json_of(post(&client(), &detector, bytes, "labels").await).await;
    let sent = vision.calls()[0].images[0].len();
    assert!(sent <= 100_000, "{sent} bytes");
}
