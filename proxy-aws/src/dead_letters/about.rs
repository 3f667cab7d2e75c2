//! Which object a message is about: an S3 notification, plain or inside SNS's envelope, an EventBridge event, or one of our own
//! events. A message that is none of these is not about an object; its body is never shown.

use serde_json::Value;
use url::form_urlencoded;

/// Envelopes within envelopes that are opened.
const DEPTH: usize = 3;

/// `s3://bucket/key` of the first object that the body names; for one of our events its source, else its id.
pub(super) fn object(body: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    for _ in 0..DEPTH {
        if let Some(found) = notification(&body).or_else(|| event_bridge(&body)).or_else(|| ours(&body)) {
            return Some(found);
        }
        body = serde_json::from_str(body.get("Message")?.as_str()?).ok()?;
    }
    None
}

fn notification(body: &Value) -> Option<String> {
    let s3 = body.pointer("/Records/0/s3")?;
    let key = s3.pointer("/object/key")?.as_str()?;
    Some(location(s3.pointer("/bucket/name")?.as_str()?, &decoded(key)))
}

/// EventBridge does not encode keys.
fn event_bridge(body: &Value) -> Option<String> {
    let detail = body.get("detail")?;
    Some(location(detail.pointer("/bucket/name")?.as_str()?, detail.pointer("/object/key")?.as_str()?))
}

fn ours(body: &Value) -> Option<String> {
    body.get("specversion")?;
    let named = body.pointer("/data/source").or_else(|| body.get("subject"))?;
    named.as_str().map(str::to_owned)
}

fn location(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// A key as S3 writes it in notifications, lists and inventories: encoded like a form's value.
pub(crate) fn decoded(key: &str) -> String {
    // Only what separates a form's fields would end the value early.
    let value = key.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(value.as_bytes()).map(|(key, _)| key.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_in_every_envelope() {
        let check = |body: &str, expected: Option<&str>| assert_eq!(object(body).as_deref(), expected, "{body}");
        let plain = r#"{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"a+dir/x%2Be%27.jpg"}}}]}"#;
        check(plain, Some("s3://b/a dir/x+e'.jpg"));
        let wrapped = serde_json::json!({"Type": "Notification", "Message": plain}).to_string();
        check(&wrapped, Some("s3://b/a dir/x+e'.jpg"));
        check(r#"{"detail":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}"#, Some("s3://b/a+b"));
        check(r#"{"specversion":"1.0","subject":"aws-x","data":{"source":"s3://b/k"}}"#, Some("s3://b/k"));
        check(r#"{"specversion":"1.0","subject":"aws-x","data":{}}"#, Some("aws-x"));
        for other in ["", "picture", "{}", r#"{"Message":"{}"}"#, r#"{"Records":[]}"#] {
            check(other, None);
        }
    }

    #[test]
    fn a_key_is_decoded_whole() {
        assert_eq!(decoded("a%2Fb=c&d+e%20f"), "a/b=c&d e f");
        assert_eq!(decoded(""), "");
    }
}
