//! What is refused before any URL is opened. Signatures are tested end to end, with signers of others.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;

use super::*;

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:image_labelled";
const NOW: &str = "2026-11-20T10:00:00Z";

/// Remembers what it was asked for, and has nothing.
#[derive(Default)]
struct Nothing(Mutex<Vec<String>>);

#[async_trait]
impl Fetch for Nothing {
    async fn fetch(&self, source: &ImageSource) -> Result<Bytes> {
        let ImageSource::Url(url) = source else { panic!("only urls are fetched") };
        self.0.lock().unwrap().push(url.shown());
        Err(Error::new(Kind::SourceNotFound, "nothing is here"))
    }
}

fn message() -> Value {
    json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": "hello", "Timestamp": "2026-11-20T09:59:59.123Z",
        "SignatureVersion": "1", "Signature": "AAAA", "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/a.pem",
    })
}

/// The error's kind, and what was asked for.
async fn received(message: &Value) -> (Kind, Vec<String>) {
    let fetch = Arc::new(Nothing::default());
    let rules = Rules { topics: BTreeSet::from([TOPIC.to_owned()]), max_age: MAX_AGE, instead: None };
    let verifier = Verifier::new(rules, fetch.clone());
    let error = verifier.receive(message.to_string().as_bytes(), NOW.parse().unwrap()).await.unwrap_err();
    (error.kind(), fetch.0.lock().unwrap().clone())
}

#[tokio::test]
async fn nothing_is_asked_for_on_a_bad_messages_word() {
    let check = async |name: &str, value: Value, kind: Kind| {
        let mut message = message();
        message[name] = value;
        assert_eq!(received(&message).await, (kind, vec![]), "{message}");
    };
    for name in
        ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"]
    {
        check(name, Value::Null, Kind::InvalidRequest).await;
    }
    check("Type", "SubscriptionConfirmation".into(), Kind::InvalidRequest).await;
    check("Type", "Other".into(), Kind::InvalidRequest).await;
    check("SignatureVersion", "3".into(), Kind::InvalidRequest).await;
    check("SignatureVersion", 1.into(), Kind::InvalidRequest).await;
    check("Signature", "A".into(), Kind::InvalidRequest).await;
    check("Timestamp", "yesterday".into(), Kind::InvalidRequest).await;
    check("TopicArn", format!("{TOPIC}-of-others").into(), Kind::Forbidden).await;
    check("Timestamp", "2026-11-20T08:59:59Z".into(), Kind::Forbidden).await;
    check("Timestamp", "2026-11-20T10:05:01Z".into(), Kind::Forbidden).await;
    check("SigningCertURL", "https://sns.evil.amazonaws.com.attacker.tld/a.pem".into(), Kind::Forbidden).await;
    check("SigningCertURL", "http://sns.eu-central-1.amazonaws.com/a.pem".into(), Kind::Forbidden).await;
}

#[tokio::test]
async fn a_certificate_is_asked_for_at_aws() {
    let asked = vec!["https://sns.eu-central-1.amazonaws.com/a.pem".to_owned()];
    assert_eq!(received(&message()).await, (Kind::Forbidden, asked));
}

#[test]
fn what_is_signed_is_every_field_by_name() {
    let read = |value: &Value| Message::read(value.to_string().as_bytes()).unwrap().signed();
    let mut message = message();
    assert_eq!(
        read(&message),
        format!(
            "Message\nhello\nMessageId\nm\nTimestamp\n2026-11-20T09:59:59.123Z\nTopicArn\n{TOPIC}\nType\nNotification\n"
        )
    );
    message["Subject"] = "s".into();
    assert!(read(&message).contains("MessageId\nm\nSubject\ns\nTimestamp\n"));
    message["Type"] = "UnsubscribeConfirmation".into();
    message["SubscribeURL"] = "u".into();
    message["Token"] = "t".into();
    let signed = read(&message);
    assert!(
        signed.contains("\nm\nSubscribeURL\nu\nTimestamp\n") && signed.contains("\nToken\nt\nTopicArn\n"),
        "{signed}"
    );
    assert!(signed.ends_with("Type\nUnsubscribeConfirmation\n"), "{signed}");
}

#[test]
fn a_notification_brings_an_event_of_ours_or_nothing() {
    let id = "aws-aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let good = json!({
        "specversion": "1.0", "id": format!("{id}:failed"), "type": "dev.crosslens.image.failed.v1", "source": "/crosslens/aws",
        "subject": id, "time": NOW, "datacontenttype": "application/json",
        "data": {"id": id, "problem": "undecodable-image", "detail": "cut off"},
    });
    let changed = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        event.to_string()
    };
    assert_eq!(event(&good.to_string()).unwrap().id, format!("{id}:failed"));
    assert!(event(&changed("id", format!("{id}:failed-2").into())).is_ok());
    for foreign in [
        "hello".to_owned(),
        "{}".to_owned(),
        changed("id", format!("{id}:labelled").into()),
        changed("id", "else".into()),
        changed("type", "dev.crosslens.image.labelled.v1".into()),
        changed("specversion", "0.3".into()),
        changed("subject", "else".into()),
        changed("data", json!({"hello": 1})),
    ] {
        assert_eq!(event(&foreign).unwrap_err().kind(), Kind::InvalidRequest, "{foreign}");
    }
    assert_eq!(event(&changed("dataref", "s3://b/k".into())).unwrap_err().kind(), Kind::Unprocessable);
}

#[test]
fn what_is_no_certificate_is_none() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"] {
        assert!(Certificate::read(pem.as_bytes()).is_err(), "{pem}");
    }
}
