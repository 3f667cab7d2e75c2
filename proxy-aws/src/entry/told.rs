//! Events of our own, as a queue or a topic delivers them: as they were published, in SNS's envelope, or as a pointer to one that
//! was too large for a message. Pure.

use std::borrow::Cow;

use common::{
    error::{Error, Kind, Result},
    event::Event,
};
use serde::{Deserialize, de::IgnoredAny};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// As it was published.
    Event(Box<Event>),
    /// One that lies in the bucket, as CloudEvents' `dataref` extension has it.
    Kept {
        /// The event's own id.
        id: String,
        /// Where it lies, as in `s3://bucket/derived/events/ID.json`; not checked yet.
        dataref: String,
    },
}

/// The event that a message holds; `None` where it holds something else.
///
/// # Errors
/// `invalid-request` with the reason, for a CloudEvent that is none of ours.
pub(super) fn read(message: &str) -> Option<Result<Told>> {
    let envelope: Envelope<'_> = serde_json::from_str(message).ok()?;
    match envelope {
        // Unless the subscription delivers raw messages.
        Envelope { kind: Some(kind), message: Some(inner), .. } if kind == "Notification" => read(&inner),
        Envelope { specversion: Some(_), id: Some(id), dataref: Some(dataref), .. } => {
            Some(Ok(Told::Kept { id: id.into_owned(), dataref: dataref.into_owned() }))
        }
        Envelope { specversion: Some(_), .. } => Some(event(message).map(|event| Told::Event(Box::new(event)))),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: Option<IgnoredAny>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dataref: Option<Cow<'a, str>>,
    #[serde(rename = "Type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "Message", borrow)]
    message: Option<Cow<'a, str>>,
}

/// An event of ours, whose type, subject and id agree with what it is about.
pub(super) fn event(text: &str) -> Result<Event> {
    let event: Event = serde_json::from_str(text).map_err(|cause| refused("not one of our events").because(cause))?;
    let kind = event.id.strip_prefix(event.image().as_str()).and_then(|rest| rest.strip_prefix(':'));
    let kind = kind.map(|kind| kind.split_once('.').map_or(kind, |(kind, _again)| kind));
    let agrees = event.specversion == "1.0"
        && event.r#type == event.topic().event_type()
        && &event.subject == event.image()
        && kind == Some(event.topic().kind());
    if agrees { Ok(event) } else { Err(refused("an event whose type, subject or id is not that of its data")) }
}

fn refused(why: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, why)
}

#[cfg(test)]
mod tests {
    use common::{event::Failure, request::Cloud};
    use serde_json::{Value, json};

    use super::*;

    fn failed() -> Event {
        let id = "aws-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let error = Error::new(Kind::UndecodableImage, "it is cut off");
        Event::failed(Cloud::Aws, &Failure::new(&id, None, &error), Some("00-a-b-01".to_owned()))
    }

    fn envelope(message: &str) -> String {
        json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:x:0:t", "Message": message }).to_string()
    }

    #[test]
    fn an_event_is_found_in_every_envelope() {
        let event = failed();
        let plain = serde_json::to_string(&event).unwrap();
        for message in [plain.clone(), envelope(&plain)] {
            assert_eq!(read(&message).unwrap().unwrap(), Told::Event(Box::new(event.clone())));
        }
        let mut pointer = serde_json::to_value(&event).unwrap();
        pointer.as_object_mut().unwrap().remove("data");
        pointer["dataref"] = json!("s3://b/derived/events/x.json");
        let kept = Told::Kept { id: event.id, dataref: "s3://b/derived/events/x.json".to_owned() };
        assert_eq!(read(&envelope(&pointer.to_string())).unwrap().unwrap(), kept);
    }

    #[test]
    fn what_is_no_event_is_left_to_others_and_what_is_none_of_ours_is_refused() {
        for other in ["", "no JSON", "{}", r#"{"Records":[]}"#, r#"{"Type":"Notification","Message":"hi"}"#] {
            assert!(read(other).is_none(), "{other}");
        }
        let check = |change: &dyn Fn(&mut Value)| {
            let mut event = serde_json::to_value(failed()).unwrap();
            change(&mut event);
            assert_eq!(read(&event.to_string()).unwrap().unwrap_err().kind(), Kind::InvalidRequest, "{event}");
        };
        check(&|event| event["type"] = json!("dev.crosslens.image.labelled.v1"));
        check(&|event| event["type"] = json!("com.example.of.others"));
        check(&|event| event["subject"] = json!("aws-bbbbbbbbbbbbbbbbbbbbbbbbbb"));
        check(&|event| event["id"] = json!("aws-bbbbbbbbbbbbbbbbbbbbbbbbbb:failed"));
        check(&|event| event["id"] = json!("aws-aaaaaaaaaaaaaaaaaaaaaaaaaa:labelled"));
        check(&|event| event["specversion"] = json!("0.3"));
        check(&|event| event["data"] = json!({ "id": "../etc" }));
        check(&|event| drop(event.as_object_mut().unwrap().remove("data")));
    }
}
