//! What an object looks like in the queue: the notification that S3 itself would have sent, so that the same entry takes it.

use serde_json::json;
use url::form_urlencoded;

use super::Listed;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub(super) fn notification(listed: &Listed) -> String {
    let object = &listed.object;
    let mut described = json!({"key": encoded(&object.key), "size": listed.bytes, "eTag": object.etag});
    if let (Some(version), Some(described)) = (&object.version, described.as_object_mut()) {
        described.insert("versionId".to_owned(), json!(version));
    }
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": object.bucket}, "object": described},
    }]})
    .to_string()
}

/// Encoded like a form's value, but for the slashes.
fn encoded(key: &str) -> String {
    let parts = key.split('/').map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>());
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backfill::run::fakes::listed;

    #[test]
    fn a_message_is_what_s3_would_have_sent() {
        let mut object = listed("a dir/x+e'é.jpg", 7);
        let body: serde_json::Value = serde_json::from_str(&notification(&object)).unwrap();
        let s3 = &body["Records"][0]["s3"];
        assert_eq!(s3["object"], json!({"key": "a+dir/x%2Be%27%C3%A9.jpg", "size": 7, "eTag": "e"}));
        assert_eq!(crate::dead_letters::decoded(s3["object"]["key"].as_str().unwrap()), "a dir/x+e'é.jpg");
        object.object.version = Some("v1".to_owned());
        let body: serde_json::Value = serde_json::from_str(&notification(&object)).unwrap();
        assert_eq!(body["Records"][0]["s3"]["object"]["versionId"], "v1");
    }
}
