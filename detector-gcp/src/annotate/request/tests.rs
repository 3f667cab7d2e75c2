//! Google's request in its spellings, and its faults.

use serde_json::{Value, json};

use super::*;

fn read(call: &Value) -> Result<Vec<Asked>> {
    parse(&call.to_string().into())
}

/// The first image of a call with this image and these features.
fn first(image: Value, features: Value) -> Result<Asked> {
    read(&json!({ "requests": [{ "image": image, "features": features }] })).map(|mut images| images.remove(0))
}

fn labels() -> Value {
    json!([{ "type": "LABEL_DETECTION" }])
}

#[test]
fn features_are_names_or_integers_in_either_case() {
    let check = |features: Value, wanted: &str, most: usize| {
        let asked = first(json!({ "content": "AAAA" }), features.clone()).unwrap();
        assert_eq!(asked.features().unwrap().to_string(), wanted, "{features}");
        assert_eq!(asked.most(Feature::Labels), most, "{features}");
    };
    check(labels(), "labels", 10);
    check(json!([{ "type": 4, "maxResults": 3 }]), "labels", 3);
    check(json!([{ "type": 4, "max_results": 0 }]), "labels", 10);
    check(json!([{ "type": "LABEL_DETECTION", "maxResults": -1 }]), "labels", 10);
    check(json!([{ "type": 4, "maxResults": 3 }, { "type": 4, "maxResults": 5 }, { "type": 11 }]), "labels,text", 5);
    check(json!([{ "type": "WEB_DETECTION" }, { "type": "FACE_DETECTION" }]), "faces", 0);
}

#[test]
fn bytes_go_before_places_and_image_uri_before_its_forerunner() {
    let source = |image: Value| first(image, labels()).unwrap().source;
    let uri = "http://example.org/a.jpg";
    let both = json!({ "content": "AAAA", "source": { "imageUri": uri } });
    assert!(matches!(source(both).unwrap(), ImageSource::Bytes(bytes) if *bytes == [0, 0, 0]));
    let image = json!({ "source": { "image_uri": uri, "gcsImageUri": "gs://bucket/a.jpg" } });
    assert_eq!(source(image).unwrap().shown(common::request::Cloud::Gcp).unwrap(), uri);
}

#[test]
fn a_place_that_cannot_be_looked_at_is_the_images_own_fault() {
    let check = |place: Value, kind: Kind| {
        let asked = first(json!({ "source": place }), labels()).unwrap();
        assert_eq!(asked.source.unwrap_err().kind(), kind, "{place}");
    };
    check(json!({ "gcsImageUri": "gs://bucket/a.jpg" }), Kind::Unsupported);
    check(json!({ "imageUri": "gs://bucket/a.jpg" }), Kind::Unsupported);
    check(json!({ "imageUri": "file:///etc/passwd" }), Kind::InvalidRequest);
}

#[test]
fn what_nobody_here_can_tell_is_named() {
    let asked = first(json!({ "content": "AAAA" }), json!([{ "type": 10 }, { "type": "LOGO_DETECTION" }])).unwrap();
    let error = asked.features().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.message().contains("WEB_DETECTION, LOGO_DETECTION"), "{error}");
    let asked = first(json!({ "content": "AAAA" }), json!([{ "type": "LABEL_DETECTION" }, { "type": 6 }])).unwrap();
    asked.told(&[Feature::SafeSearch]).unwrap();
    asked.told(&[Feature::SafeSearch, Feature::Labels]).unwrap_err();
}

#[test]
fn a_call_that_says_too_little_or_too_much_fails_as_a_whole() {
    let check = |call: Value, said: &str| {
        let error = read(&call).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(error.message().contains(said), "{call}: {error}");
    };
    let one = json!({ "image": { "content": "AAAA" }, "features": labels() });
    let incomplete = "must specify image and features";
    check(json!({}), incomplete);
    check(json!({ "requests": [] }), incomplete);
    check(json!({ "requests": [one, { "image": {}, "features": labels() }] }), incomplete);
    check(json!({ "requests": [one, { "image": { "source": {} }, "features": labels() }] }), incomplete);
    check(json!({ "requests": [one, { "features": labels() }] }), incomplete);
    check(json!({ "requests": [one, { "image": { "content": "AAAA" } }] }), incomplete);
    check(json!({ "requests": vec![one.clone(); 17] }), "Too many images");
    assert_eq!(read(&json!({ "requests": vec![one; 16] })).unwrap().len(), 16);
    for kind in [json!(0), json!("TYPE_UNSPECIFIED"), json!("HAT_DETECTION"), json!(99)] {
        check(
            json!({ "requests": [{ "image": { "content": "AAAA" }, "features": [{ "type": kind }] }] }),
            "no such feature",
        );
    }
}

#[test]
fn no_part_of_an_unreadable_body_is_repeated() {
    for body in ["", "secret", r#"{"requests": "secret"}"#, r#"{"requests":[{"image":{"content":"*secret*"}}]}"#] {
        let error = parse(&Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(!format!("{error} {}", error.causes()).contains("secret"), "{error}");
    }
}
