//! Amazon Rekognition as a detector, before a stand-in that checks what it is sent: no emulator of it is to be had.

use std::{io::Cursor, time::Duration};

use common::{
    analysis::{Detection, Feature, Features, Likelihood},
    error::{Error, Kind, Result, Retry},
    image::Image,
    intake::{Intake, Limits},
    ports::{Detect, suites},
};
use image::{ImageFormat, RgbImage};
use proxy_aws::{clients::Clients, rekognition::Rekognition};
use serde_json::json;
use tests::{ACCESS_KEY, RekognitionStandIn, SECRET_KEY, photo};

/// Only keeps a broken test from hanging.
const LONG: Duration = Duration::from_secs(60);

async fn at(url: &str, secret: &str) -> Rekognition {
    let clients = Clients::at(url, tests::REGION, ACCESS_KEY, secret).await;
    Rekognition::new(clients.rekognition, Intake::new(Limits::default()))
}

async fn started() -> (RekognitionStandIn, Rekognition) {
    let stand_in = RekognitionStandIn::start().await;
    let rekognition = at(&stand_in.url(), SECRET_KEY).await;
    (stand_in, rekognition)
}

fn admitted(bytes: Vec<u8>) -> Image {
    Intake::new(Limits::default()).admit(bytes.into()).unwrap()
}

fn coffee() -> Image {
    admitted(std::fs::read(photo("coffee.png")).unwrap())
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Image {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x / 9) as u8, (y / 9) as u8, (x ^ y) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    admitted(bytes.into_inner())
}

async fn ask(rekognition: &Rekognition, image: &Image, features: &str) -> Result<Detection> {
    rekognition.detect(image, &features.parse().unwrap(), LONG).await
}

#[tokio::test]
async fn it_behaves_as_every_detector_does() {
    let (stand_in, rekognition) = started().await;
    suites::detect(&rekognition, &coffee()).await;
    assert_eq!(stand_in.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn every_answer_is_told_in_our_words() {
    let (stand_in, rekognition) = started().await;
    let all = Features::new(Feature::ALL).unwrap().to_string();
    let detection = ask(&rekognition, &coffee(), &all).await.unwrap();
    assert_eq!(stand_in.faults(), Vec::<String>::new());
    let found = serde_json::to_value(&detection).unwrap();
    assert_eq!(found["provider"], "amazon-rekognition");
    let labels = json!([{ "description": "Espresso", "score": 0.9825 }, { "description": "Cup", "score": 0.715 }]);
    let words = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["description"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words(&found["labels"]), words(&labels), "best first");
    assert!((detection.findings.labels.as_ref().unwrap()[0].score - 0.9825).abs() < 1e-6);
    let safe = detection.findings.safe_search.unwrap();
    assert_eq!((safe.violence, safe.racy), (Likelihood::Likely, Likelihood::Unlikely));
    assert_eq!(
        (safe.adult, safe.medical, safe.spoof),
        (Likelihood::VeryUnlikely, Likelihood::Unknown, Likelihood::Unknown)
    );
    let faces = detection.findings.faces.unwrap();
    assert_eq!((faces[0].bounds.left, faces[0].bounds.width), (0.0, 0.4), "largest first, without what lies outside");
    assert_eq!(words(&found["celebrities"]), ["Jan Example", "Zoë Example"]);
    assert_eq!(found["text"]["content"], "Grüße aus\n北京");
    assert_eq!(found["text"]["blocks"].as_array().unwrap().len(), 2);
    assert_eq!(found["unsupported"], json!(["landmarks", "properties"]));
    let billed = json!({ "labels": 1, "safe_search": 1, "faces": 1, "celebrities": 1, "text": 1 });
    assert_eq!(found["billedUnits"], billed);
    let asked = stand_in.asked();
    let labels = asked.iter().find(|asked| asked.operation == "DetectLabels").unwrap();
    assert_eq!((asked.len(), &labels.request["MaxLabels"]), (5, &json!(100)));
}

#[tokio::test]
async fn only_what_is_asked_is_paid() {
    let (stand_in, rekognition) = started().await;
    ask(&rekognition, &coffee(), "text").await.unwrap();
    let found = ask(&rekognition, &coffee(), "landmarks,properties").await.unwrap().findings;
    assert_eq!(found.unsupported, [Feature::Landmarks, Feature::Properties]);
    assert!(found.billed_units.is_empty());
    let operations: Vec<String> = stand_in.asked().into_iter().map(|asked| asked.operation).collect();
    assert_eq!(operations, ["DetectText"]);
}

#[tokio::test]
async fn any_picture_arrives_as_one_that_it_takes() {
    let (stand_in, rekognition) = started().await;
    use ImageFormat as F;
    for format in [F::Jpeg, F::Png, F::Gif, F::WebP, F::Bmp, F::Tiff] {
        ask(&rekognition, &picture(300, 200, format), "labels").await.unwrap();
    }
    // As large as the features need, and long ones still eighty pixels high.
    let sized = [
        ((3000, 2000), "labels", (640, 427)),
        ((3000, 2000), "faces", (1600, 1067)),
        ((4000, 300), "labels", (1067, 80)),
    ];
    for (size, features, expected) in sized {
        ask(&rekognition, &picture(size.0, size.1, F::Jpeg), features).await.unwrap();
        assert_eq!(stand_in.asked().last().unwrap().size, expected, "{size:?}");
    }
    assert_eq!(stand_in.faults(), Vec::<String>::new());
    let before = stand_in.asked().len();
    let small = ask(&rekognition, &picture(79, 300, F::Jpeg), "labels").await.unwrap_err();
    assert_eq!(small.kind(), Kind::Unsupported, "another detector may look at it");
    assert_eq!(stand_in.asked().len(), before);
}

#[tokio::test]
async fn a_failure_is_classified_and_one_of_several_fails_all() {
    let (stand_in, rekognition) = started().await;
    let failed = async |status, code: &str| -> Error {
        stand_in.next("DetectFaces", status, json!({ "__type": code, "Message": "played", "message": "played" }));
        ask(&rekognition, &coffee(), "labels,faces").await.unwrap_err()
    };
    let check = async |status, code, expected: (Kind, Retry)| {
        let error = failed(status, code).await;
        assert_eq!((error.kind(), error.retry()), expected, "{code}");
        assert!(error.causes().contains(code), "{}", error.causes());
    };
    check(400, "ThrottlingException", (Kind::RateLimited, Retry::Later)).await;
    check(400, "ProvisionedThroughputExceededException", (Kind::RateLimited, Retry::Later)).await;
    check(400, "LimitExceededException", (Kind::RateLimited, Retry::Later)).await;
    check(400, "InvalidImageFormatException", (Kind::UndecodableImage, Retry::Never)).await;
    check(400, "ImageTooLargeException", (Kind::TooLarge, Retry::Never)).await;
    check(500, "InternalServerError", (Kind::DetectorFailed, Retry::Later)).await;
    check(400, "AccessDeniedException", (Kind::Unavailable, Retry::Exhausted)).await;
    stand_in.next("DetectLabels", 200, json!("no analysis"));
    assert_eq!(ask(&rekognition, &coffee(), "labels").await.unwrap_err().kind(), Kind::DetectorFailed);
    let calls = stand_in.asked().iter().filter(|asked| asked.operation == "DetectFaces").count();
    assert_eq!(calls, 7, "nothing is repeated");
}

#[tokio::test]
async fn who_signs_with_another_secret_is_rejected() {
    let stand_in = RekognitionStandIn::start().await;
    let error = ask(&at(&stand_in.url(), "another").await, &coffee(), "labels").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::Exhausted));
    assert_eq!(stand_in.faults(), ["the signature does not match"]);
}

#[tokio::test]
async fn nobody_there_and_no_answer_are_said() {
    let (stand_in, rekognition) = started().await;
    stand_in.hold();
    let short = Duration::from_secs(2);
    let late = rekognition.detect(&coffee(), &Features::default(), short).await.unwrap_err();
    assert_eq!(late.kind(), Kind::DeadlineExceeded);
    stand_in.release();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let gone = ask(&at(&format!("http://{free}"), SECRET_KEY).await, &coffee(), "labels").await.unwrap_err();
    assert_eq!((gone.kind(), gone.is_permanent()), (Kind::Unavailable, false));
}
