//! What Vision answers, read; and answers that are none.

use super::*;

/// An answer as it stands on the wire; reading it is the official crate's.
fn check(features: &str, json: &str) -> Result<Findings> {
    let answer: AnnotateImageResponse = serde_json::from_str(json).unwrap();
    read(&Question::of(&features.parse().unwrap()).unwrap(), answer, (640, 480))
}

const SAFE: &str = r#""safeSearchAnnotation": {"adult": "VERY_UNLIKELY", "violence": 4, "racy": "POSSIBLE"}"#;

#[test]
fn labels_come_best_first_with_their_ids() {
    let json = r#"{"labelAnnotations": [{"description": "Cup", "score": 0.5}, {"description": "Espresso", "score": 0.9, "mid": "/m/1"}]}"#;
    let labels = check("labels", json).unwrap().labels.unwrap();
    assert_eq!(labels[0], Label { description: "Espresso".into(), score: 0.9, mid: Some("/m/1".into()) });
    assert_eq!(labels[1].mid, None);
}

#[test]
fn an_empty_answer_is_no_labels_only_where_vision_has_looked() {
    assert_eq!(check("labels", "{}").unwrap_err().kind(), Kind::DetectorFailed);
    let findings = check("labels", &format!("{{{SAFE}}}")).unwrap();
    assert_eq!(findings.labels, Some(vec![]));
    assert_eq!(findings.safe_search, None, "it was not asked for");
    assert_eq!(check("safe_search", "{}").unwrap_err().kind(), Kind::DetectorFailed);
    assert_eq!(check("faces", "{}").unwrap().faces, Some(vec![]));
}

#[test]
fn likelihoods_are_read_as_words_and_as_numbers() {
    let safe = check("safe_search", &format!("{{{SAFE}}}")).unwrap().safe_search.unwrap();
    assert_eq!((safe.adult, safe.violence), (Likelihood::VeryUnlikely, Likelihood::Likely));
    assert_eq!((safe.racy, safe.spoof), (Likelihood::Possible, Likelihood::Unknown));
}

#[test]
fn boxes_become_fractions_within_the_picture() {
    let corner = |x: i32, y: i32| format!(r#"{{"x": {x}, "y": {y}}}"#);
    let corners = [corner(-5, 120), corner(320, 120), corner(320, 600), corner(-5, 600)].join(",");
    let json = format!(
        r#"{{"faceAnnotations": [{{"boundingPoly": {{"vertices": [{corners}]}}, "detectionConfidence": 0.8}}]}}"#
    );
    let faces = check("faces", &json).unwrap().faces.unwrap();
    assert_eq!(faces[0].bounds, BoundingBox { left: 0.0, top: 0.25, width: 0.5, height: 0.75 });
}

#[test]
fn text_is_the_whole_and_its_blocks() {
    let json = r#"{"textAnnotations": [{"description": "ONE\nWAY"}, {"description": "ONE"}],
        "fullTextAnnotation": {"pages": [{"blocks": [{"boundingBox": {"vertices": [{}, {"x": 64}, {"x": 64, "y": 48}, {"y": 48}]}}]}]}}"#;
    let text = check("text", json).unwrap().text.unwrap();
    assert_eq!(text.content, "ONE\nWAY");
    assert_eq!(text.blocks, [BoundingBox { left: 0.0, top: 0.0, width: 0.1, height: 0.1 }]);
}

#[test]
fn colours_are_written_as_on_the_web() {
    let json = r#"{"imagePropertiesAnnotation": {"dominantColors": {"colors": [
        {"color": {"red": 255, "green": 16}, "pixelFraction": 0.25}, {"color": {"blue": 300}, "pixelFraction": 0.5}]}}}"#;
    let colours = check("properties", json).unwrap().properties.unwrap();
    assert_eq!(colours.iter().map(|colour| colour.rgb.as_str()).collect::<Vec<_>>(), ["#0000ff", "#ff1000"]);
}

#[test]
fn an_error_about_the_image_is_classified() {
    let kind = |code: i32| {
        let json = format!(r#"{{"error": {{"code": {code}, "message": "no"}}}}"#);
        check("labels", &json).unwrap_err().kind()
    };
    assert_eq!(kind(3), Kind::UndecodableImage);
    assert_eq!(kind(7), Kind::DetectorFailed);
    assert_eq!(kind(8), Kind::RateLimited);
    assert_eq!(kind(14), Kind::Unavailable);
}

#[test]
fn what_vision_cannot_tell_is_said() {
    let findings = check("celebrities,faces", "{}").unwrap();
    assert_eq!(findings.unsupported, [Feature::Celebrities]);
    assert_eq!(nothing_asked(&"celebrities".parse().unwrap()).unsupported, [Feature::Celebrities]);
}
