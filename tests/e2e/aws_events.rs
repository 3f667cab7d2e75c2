//! Captured events that nobody here wrote: each is understood, or refused with a reason.

use std::fs;

use proxy_aws::entry::{Incoming, Notice};
use tests::cases_dir;

/// What each captured event comes to, in few words.
const EXPECTED: [(&str, &str); 17] = [
    ("ptpy__s3EventBridgeNotificationObjectCreatedEvent.json", "created example-bucket IMG_m7fzo3.jpg"),
    ("ptpy__s3EventDecodedKey.json", "created sourcebucket Happy Face.jpg version"),
    ("ptpy__s3EventDeleteObject.json", "removed lambda-artifacts-deafc19498e3f2df b21b84d653bb07b05b1e6b33684dc11b"),
    ("ptpy__s3SqsEvent.json", "queue: created xxx test.pdf yd3d4HaWOT2zguDLvIQLU6ptDTwKBnQV"),
    ("ptpy__snsEvent.json", "refused"),
    ("ptts__lambda_iam-auth.json", "http"),
    ("ptts__lambda_invalid.json", "http"),
    ("ptts__s3_decoded-key.json", "created sourcebucket Happy Face.jpg version"),
    ("ptts__s3_delete-object.json", "removed lambda-artifacts-deafc19498e3f2df b21b84d653bb07b05b1e6b33684dc11b"),
    ("ptts__s3_eventbridge-object-created.json", "created example-bucket IMG_m7fzo3.jpg"),
    ("ptts__s3_object-temp-credentials.json", "refused"),
    ("ptts__s3_sqs-event.json", "queue: created xxx test.pdf yd3d4HaWOT2zguDLvIQLU6ptDTwKBnQV"),
    ("ptts__sqs_base.json", "queue: refused, refused"),
    ("ptts__sqs_sns-body.json", "queue: refused"),
    ("rust__example-apigw-request.json", "http"),
    ("rust__example-apigw-v2-request-jwt-authorizer.json", "http"),
    ("rust__example-sns-event-obj.json", "refused"),
];

#[test]
fn captured_events_are_understood_or_refused_with_a_reason() {
    let Some(folder) = cases_dir().map(|cases| cases.join("events")) else {
        return eprintln!("skipped: the captured events are not here");
    };
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let found = told(&fs::read_to_string(&file).unwrap());
        // More of the same kind may lie there than is listed here: those have to be understood or refused as well.
        if let Some((_, expected)) = EXPECTED.iter().find(|(known, _)| *known == name) {
            assert_eq!(found, *expected, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, EXPECTED.len(), "some of the captured events are gone");
}

fn told(event: &str) -> String {
    match Incoming::read(event) {
        Ok(Incoming::Http) => "http".to_owned(),
        Ok(Incoming::Schedule) => "schedule".to_owned(),
        Ok(Incoming::Notices(notices)) => words(&notices),
        Ok(Incoming::Events(events)) => format!("{} of our events", events.len()),
        Ok(Incoming::Queue { uploads, events }) => {
            assert!(events.is_empty(), "nobody has captured one of ours");
            let each = uploads.iter().map(|message| match &message.notices {
                Ok(notices) => words(notices),
                Err(error) => refused(error),
            });
            format!("queue: {}", each.collect::<Vec<_>>().join(", "))
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &common::error::Error) -> String {
    assert!(!error.message().is_empty(), "a reason");
    "refused".to_owned()
}

fn words(notices: &[Notice]) -> String {
    let word = |notice: &Notice| match notice {
        Notice::Created(object, _) => {
            let version = object.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            format!("created {} {}{version}", object.bucket, object.key)
        }
        Notice::Removed { bucket, key, .. } => format!("removed {bucket} {key}"),
        Notice::Ignored(why) => format!("ignored {why}"),
    };
    notices.iter().map(word).collect::<Vec<_>>().join(", ")
}
