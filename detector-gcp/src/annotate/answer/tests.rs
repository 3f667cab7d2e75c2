//! Findings in Google's JSON, read back with Google's own types.

use bytes::Bytes;
use common::{
    analysis::{DetectorId, Findings},
    image::Digest,
};
use google_cloud_vision_v1::model::AnnotateImageResponse;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::annotate::parse;

const BOX: BoundingBox = BoundingBox { left: 0.25, top: 0.5, width: 0.5, height: 0.25 };

fn asked(features: Value) -> Asked {
    let call = json!({ "requests": [{ "image": { "content": "AAAA" }, "features": features }] });
    parse(&call.to_string().into()).unwrap().remove(0)
}

fn everything() -> Asked {
    asked((1..=7).filter(|kind| *kind != 3).map(|kind| json!({ "type": kind, "maxResults": 2 })).collect())
}

/// An answer about a picture of 400 × 200 pixels.
fn analysis(findings: Findings) -> Analysis {
    Analysis {
        part_of: None,
        id: "gcp-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        request_id: "one".to_owned(),
        digest: Digest::of(&Bytes::new()),
        source: None,
        media_type: common::image::MediaType::Png,
        width: 400,
        height: 200,
        detector: DetectorId { provider: "test".to_owned(), model: "test".to_owned() },
        findings,
        analyzed_at: Timestamp::UNIX_EPOCH,
        duration_ms: 1,
    }
}

fn findings() -> Findings {
    let label = |description: &str, score| Label { description: description.to_owned(), score, mid: None };
    let colour = |rgb: &str| Colour { rgb: rgb.to_owned(), fraction: 0.5 };
    let likely = Likelihood::Likely;
    let unlikely = Likelihood::VeryUnlikely;
    Findings {
        labels: Some(vec![label("espresso", 0.9), label("cup", 0.5), label("table", 0.25)]),
        safe_search: Some(SafeSearch {
            adult: unlikely,
            violence: unlikely,
            racy: likely,
            medical: unlikely,
            spoof: unlikely,
        }),
        faces: Some(vec![Face { bounds: BOX, score: 0.75 }]),
        landmarks: Some(vec![Named { description: "Eiffel Tower".to_owned(), score: 0.5, bounds: Some(BOX) }]),
        text: Some(Text { content: "STOP\nHERE".to_owned(), blocks: vec![BOX] }),
        properties: Some(vec![colour("#ff8000"), colour("nonsense")]),
        ..Findings::default()
    }
}

#[test]
fn all_that_is_known_is_told_in_pixels_of_the_original() {
    let told = serde_json::to_value(Answer::of(&analysis(findings()), &everything(), Encoding::Names)).unwrap();
    let corners =
        json!({ "vertices": [{"x": 100, "y": 100}, {"x": 300, "y": 100}, {"x": 300, "y": 150}, {"x": 100, "y": 150}] });
    assert_eq!(
        told["labelAnnotations"],
        json!([
            { "description": "espresso", "score": 0.9_f32, "topicality": 0.9_f32 },
            { "description": "cup", "score": 0.5, "topicality": 0.5 },
        ])
    );
    assert_eq!(told["faceAnnotations"][0]["boundingPoly"], corners);
    assert_eq!(told["faceAnnotations"][0]["fdBoundingPoly"], corners);
    assert_eq!(told["landmarkAnnotations"][0]["boundingPoly"], corners);
    assert_eq!(told["textAnnotations"], json!([{ "description": "STOP\nHERE", "boundingPoly": corners }]));
    let block = json!({ "boundingBox": corners, "blockType": "TEXT" });
    assert_eq!(
        told["fullTextAnnotation"],
        json!({ "text": "STOP\nHERE", "pages": [{ "width": 400, "height": 200, "blocks": [block] }] })
    );
    assert_eq!(told["safeSearchAnnotation"]["racy"], "LIKELY");
    let colour = json!({ "color": { "red": 255, "green": 128, "blue": 0 }, "pixelFraction": 0.5 });
    assert_eq!(told["imagePropertiesAnnotation"], json!({ "dominantColors": { "colors": [colour] } }));
    assert_eq!(told.get("error"), None);
}

#[test]
fn google_reads_both_encodings_as_the_same() {
    let read = |encoding| {
        let told = serde_json::to_value(Answer::of(&analysis(findings()), &everything(), encoding)).unwrap();
        serde_json::from_value::<AnnotateImageResponse>(told).unwrap()
    };
    assert_eq!(read(Encoding::Names), read(Encoding::Integers));
    assert_eq!(read(Encoding::Integers).label_annotations.len(), 2);
}

#[test]
fn nothing_found_is_an_empty_answer() {
    let empty = Findings {
        labels: Some(Vec::new()),
        faces: Some(Vec::new()),
        text: Some(Text { content: String::new(), blocks: Vec::new() }),
        ..Findings::default()
    };
    let told = Answer::of(&analysis(empty), &everything(), Encoding::Names);
    assert_eq!(serde_json::to_value(told).unwrap(), json!({}));
}

#[test]
fn integers_are_asked_for_in_the_query() {
    let check = |query: Option<&str>, encoding| assert_eq!(Encoding::of(query), encoding, "{query:?}");
    check(None, Encoding::Names);
    check(Some("key=enum-encoding%3Dint"), Encoding::Names);
    check(Some("$alt=json"), Encoding::Names);
    check(Some("%24alt=json%3Benum-encoding%3Dint"), Encoding::Integers);
    check(Some("key=1&$alt=json;enum-encoding=int"), Encoding::Integers);
}
