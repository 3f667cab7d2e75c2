//! The operator's files: read once, looked at again by their etag, and kept while they cannot be read.

use std::time::Duration;

use common::error::{Kind, Retry};
use proxy_aws::configuration::{Configuration, POLICY};
use tests::Counted;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_looked_at_again_and_stays_while_it_cannot_be_read() {
    let ministack = Ministack::start();
    buckets(&ministack).await;
    let counted = Counted::in_front_of(ministack.url()).await;
    let client = Clients::at(&counted.url(), REGION, "test", "test").await.s3;
    let patient = Configuration::new(client.clone(), BUCKET.to_owned());
    let eager = patient.clone().looking_again_after(Duration::ZERO);
    let asked = || counted.calls("GET /pictures/policy.toml");

    // A missing file is an answer as well.
    for _ in 0..3 {
        assert_eq!(patient.read(POLICY).await.unwrap(), None);
    }
    assert_eq!(asked(), 1, "once a minute at the most");
    put(&ministack, POLICY, b"version = 1");
    assert_eq!(patient.read(POLICY).await.unwrap(), None, "not yet");
    assert_eq!(eager.read(POLICY).await.unwrap().as_deref(), Some("version = 1"));
    assert_eq!(patient.read(POLICY).await.unwrap().as_deref(), Some("version = 1"), "clones share it");
    assert_eq!(asked(), 2);

    // One who asks at the same time as others waits for their answer.
    let fresh = Configuration::new(client.clone(), BUCKET.to_owned());
    counted.reset();
    let (one, two, three) = tokio::join!(fresh.read(POLICY), fresh.read(POLICY), fresh.read(POLICY));
    assert_eq!((one.unwrap(), two.unwrap()), (Some("version = 1".to_owned()), three.unwrap()));
    assert_eq!(asked(), 1);

    // Unchanged, refused, too large, no text: what was read stays.
    assert_eq!(eager.read(POLICY).await.unwrap().as_deref(), Some("version = 1"));
    counted.fail_next("GET /pictures/policy.toml", 1, 403, "<Error><Code>AccessDenied</Code></Error>");
    assert_eq!(eager.read(POLICY).await.unwrap().as_deref(), Some("version = 1"));
    for unusable in [vec![0xff; 10], vec![b'#'; 1024 * 1024 + 1]] {
        put(&ministack, POLICY, &unusable);
        assert_eq!(eager.read(POLICY).await.unwrap().as_deref(), Some("version = 1"));
        let error = Configuration::new(client.clone(), BUCKET.to_owned()).read(POLICY).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (Kind::Unavailable, Retry::Later),
            "there is nothing to fall back on"
        );
    }
    put(&ministack, POLICY, b"version = 2");
    assert_eq!(eager.read(POLICY).await.unwrap().as_deref(), Some("version = 2"));
    ministack.boto().call("s3", "delete_object", json!({ "Bucket": BUCKET, "Key": POLICY }));
    assert_eq!(eager.read(POLICY).await.unwrap(), None);

    let nowhere = Configuration::new(client, "nowhere".to_owned());
    assert_eq!(nowhere.read(POLICY).await.unwrap_err().kind(), Kind::Unavailable);
}
