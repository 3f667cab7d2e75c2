//! Tags on originals: ours are replaced, those of others stay, and a version's tags are its own.

use common::{error::Kind, ports::Originals as _, ports::Store as _};

use super::*;

fn tagged(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn tags(ministack: &Ministack, object: &ObjectRef) -> BTreeMap<String, String> {
    let mut asked = json!({ "Bucket": object.bucket, "Key": object.key });
    if let Some(version) = &object.version {
        asked["VersionId"] = json!(version);
    }
    let answer = ministack.boto().call("s3", "get_object_tagging", asked);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer["TagSet"].as_array().unwrap().iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

fn tag_as_others(ministack: &Ministack, object: &ObjectRef, pairs: &[(&str, &str)]) {
    let set: Vec<Value> = pairs.iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect();
    let asked = json!({ "Bucket": object.bucket, "Key": object.key, "Tagging": { "TagSet": set } });
    ministack.boto().call("s3", "put_object_tagging", asked);
}

/// Uploads bytes; the object as a stored source would name it.
fn uploaded(ministack: &Ministack, key: &str, bytes: &[u8]) -> ObjectRef {
    let body = json!({ "$bytes": data_encoding::BASE64.encode(bytes) });
    let put = ministack.boto().call("s3", "put_object", json!({ "Bucket": BUCKET, "Key": key, "Body": body }));
    let version = put["VersionId"].as_str().map(str::to_owned);
    ObjectRef { bucket: BUCKET.to_owned(), key: key.to_owned(), version, etag: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_tags_are_replaced_and_those_of_others_stay() {
    let ministack = Ministack::start();
    let (_, buckets) = buckets(&ministack).await;
    let object = uploaded(&ministack, "a dir/a cat +é.jpg", b"a cat");
    tag_as_others(&ministack, &object, &[("team", "pets"), ("crosslens-labels", "dog")]);
    let verdict = tagged(&[("crosslens-verdict", "review")]);
    buckets.tag(&object, &verdict).await.unwrap();
    assert_eq!(tags(&ministack, &object), tagged(&[("team", "pets"), ("crosslens-verdict", "review")]));
    let more = tagged(&[("crosslens-verdict", "allow"), ("crosslens-labels", "Tiger cat; tabby")]);
    for _ in 0..2 {
        buckets.tag(&object, &more).await.unwrap();
        let wanted = [("team", "pets"), ("crosslens-verdict", "allow"), ("crosslens-labels", "Tiger cat_ tabby")];
        assert_eq!(tags(&ministack, &object), tagged(&wanted));
    }
    for () in [buckets.hold(&object).await.unwrap(), buckets.release(&object).await.unwrap()] {}
    assert_eq!(tags(&ministack, &object)["crosslens-verdict"], "allow");

    let gone = ObjectRef { key: "gone.jpg".to_owned(), ..object.clone() };
    let error = buckets.tag(&gone, &verdict).await.unwrap_err();
    assert_eq!((error.kind(), error.is_permanent()), (Kind::SourceNotFound, true));
    for () in [buckets.hold(&gone).await.unwrap(), buckets.release(&gone).await.unwrap()] {}
    let foreign = ObjectRef { bucket: "of-somebody-else".to_owned(), ..object };
    assert_eq!(buckets.tag(&foreign, &verdict).await.unwrap_err().kind(), Kind::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tags_of_others_leave_no_room_and_nine_leave_it_to_the_verdict() {
    let ministack = Ministack::start();
    let (_, buckets) = buckets(&ministack).await;
    let object = uploaded(&ministack, "cat.jpg", b"a cat");
    let names: Vec<String> = (0..10).map(|n| format!("of-others-{n}")).collect();
    let others: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let ours = tagged(&[("crosslens-id", "aws-x"), ("crosslens-labels", "cat"), ("crosslens-verdict", "allow")]);
    for (count, wanted) in [(10, &[][..]), (9, &[("crosslens-verdict", "allow")][..])] {
        tag_as_others(&ministack, &object, &others[..count]);
        buckets.tag(&object, &ours).await.unwrap();
        assert_eq!(tags(&ministack, &object), tagged(&[&others[..count], wanted].concat()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_on_the_version_that_it_is_about() {
    let ministack = Ministack::start();
    let (_, buckets) = buckets(&ministack).await;
    let versions = json!({ "Bucket": BUCKET, "VersioningConfiguration": { "Status": "Enabled" } });
    ministack.boto().call("s3", "put_bucket_versioning", versions);
    let (old, new) = (uploaded(&ministack, "cat.jpg", b"a cat"), uploaded(&ministack, "cat.jpg", b"another cat"));
    assert_ne!(old.version, new.version);
    buckets.tag(&old, &tagged(&[("crosslens-verdict", "allow")])).await.unwrap();
    assert_eq!(tags(&ministack, &old), tagged(&[("crosslens-verdict", "allow")]));
    assert_eq!(tags(&ministack, &new), tagged(&[]), "nobody has looked at it");
    let gone = ObjectRef { version: Some("00000000-0000-0000-0000-000000000000".to_owned()), ..old };
    let error = buckets.tag(&gone, &tagged(&[("crosslens-verdict", "allow")])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SourceNotFound, "{}", error.causes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_derived_says_what_it_is() {
    let ministack = Ministack::start();
    let (_, buckets) = buckets(&ministack).await;
    for (key, expected) in [
        ("derived/blurred/x.jpg", "image/jpeg"),
        ("derived/blurred/x.PNG", "image/png"),
        ("derived/blurred/x.gif", "image/gif"),
        ("derived/blurred/x.webp", "image/webp"),
        ("derived/blurred/x.bmp", "image/bmp"),
        ("derived/blurred/x.tiff", "image/tiff"),
        ("derived/sidecars/a.jpg.json", "application/json"),
    ] {
        buckets.put(key, Bytes::from_static(b"x")).await.unwrap();
        let head = ministack.boto().call("s3", "head_object", json!({ "Bucket": BUCKET, "Key": key }));
        assert_eq!(head["ContentType"], expected, "{key}");
    }
}
