//! Which kind of event it is that Lambda hands over. Pure.

use std::borrow::Cow;

use common::error::{Error, Kind, Result};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    notice::{self, Notice},
    told::{self, Told},
};

/// One Lambda event.
#[derive(Debug)]
pub enum Incoming {
    /// A request through API Gateway (either kind), a function URL or a load balancer.
    Http,
    /// Messages of a queue: each fails by itself.
    Queue {
        /// What S3 says, and what cannot be read.
        uploads: Vec<Message>,
        /// Our own events.
        events: Vec<Delivered>,
    },
    /// Notifications without a queue: what fails, fails the invocation, and Lambda tries it again.
    Notices(Vec<Notice>),
    /// Our own events without a queue: the same.
    Events(Vec<Told>),
    /// The schedule's call.
    Schedule,
}

/// One delivery of a queue's message.
#[derive(Debug)]
pub struct Delivery {
    /// The message's name in `batchItemFailures`.
    pub id: String,
    /// The handle of this delivery.
    pub receipt: String,
    /// The queue's ARN.
    pub queue: String,
    /// How often it was delivered by now, this time included.
    pub receives: u32,
}

/// A message about objects.
#[derive(Debug)]
pub struct Message {
    /// How it came.
    pub delivery: Delivery,
    /// What it says, or why that cannot be read.
    pub notices: Result<Vec<Notice>>,
}

/// A message that holds one of our events.
#[derive(Debug)]
pub struct Delivered {
    /// How it came.
    pub delivery: Delivery,
    /// What it says.
    pub told: Told,
}

impl Incoming {
    /// Tells by the event's form what it is.
    ///
    /// # Errors
    /// `invalid-request` with the reason, for what is none of ours.
    pub fn read(event: &str) -> Result<Self> {
        let probe: Probe<'_> = serde_json::from_str(event).map_err(|cause| refused("not an event").because(cause))?;
        if probe.request_context.is_some() {
            return Ok(Incoming::Http);
        }
        if probe.source.as_deref() == Some("aws.events") {
            return Ok(Incoming::Schedule);
        }
        match probe.records.as_deref() {
            Some([first, ..]) if first.source() == Some("aws:sqs") => queue(event),
            Some([first, ..]) if first.source() == Some("aws:sns") => topic(event),
            Some([first, ..]) if first.source() != Some("aws:s3") => Err(refused("records of a service unknown here")),
            _ => notice::read(event).map(Incoming::Notices),
        }
    }
}

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(rename = "requestContext")]
    request_context: Option<IgnoredAny>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<Origin<'a>>>,
}

/// Services spell it in two ways.
#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(rename = "eventSource", borrow)]
    lower: Option<Cow<'a, str>>,
    #[serde(rename = "EventSource", borrow)]
    upper: Option<Cow<'a, str>>,
}

impl Origin<'_> {
    fn source(&self) -> Option<&str> {
        self.lower.as_deref().or(self.upper.as_deref())
    }
}

#[derive(Deserialize)]
struct Records<T> {
    #[serde(rename = "Records")]
    records: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueRecord {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: Attributes,
    #[serde(rename = "eventSourceARN")]
    queue: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    approximate_receive_count: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TopicRecord {
    sns: Notification,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    message: String,
}

fn queue(event: &str) -> Result<Incoming> {
    let Records { records } = records::<QueueRecord>(event)?;
    let (mut uploads, mut events) = (Vec::new(), Vec::new());
    for record in records {
        let delivery = Delivery {
            id: record.message_id,
            receipt: record.receipt_handle,
            queue: record.queue,
            receives: record.attributes.approximate_receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        };
        match told::read(&record.body) {
            Some(Ok(told)) => events.push(Delivered { delivery, told }),
            Some(Err(error)) => uploads.push(Message { delivery, notices: Err(error) }),
            None => uploads.push(Message { delivery, notices: notice::read(&record.body) }),
        }
    }
    Ok(Incoming::Queue { uploads, events })
}

fn topic(event: &str) -> Result<Incoming> {
    let Records { records } = records::<TopicRecord>(event)?;
    // A topic has messages of one kind, and Lambda gets one at a time.
    let events: Option<Vec<_>> = records.iter().map(|record| told::read(&record.sns.message)).collect();
    if let Some(events) = events {
        return events.into_iter().collect::<Result<_>>().map(Incoming::Events);
    }
    let read = records.iter().map(|record| notice::read(&record.sns.message)).collect::<Result<Vec<_>>>()?;
    Ok(Incoming::Notices(read.into_iter().flatten().collect()))
}

fn records<'a, T: Deserialize<'a>>(event: &'a str) -> Result<Records<T>> {
    serde_json::from_str(event).map_err(|cause| refused("records that lack what every such record has").because(cause))
}

fn refused(why: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(id: &str, body: &str) -> serde_json::Value {
        json!({
            "messageId": id, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
            "attributes": { "ApproximateReceiveCount": "3" }, "eventSourceARN": "arn:aws:sqs:eu-west-1:1:uploads",
        })
    }

    #[test]
    fn a_message_that_cannot_be_read_leaves_its_neighbours_alone() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#;
        let event = json!({ "Records": [message("good", test), message("bad", "not JSON")] }).to_string();
        let Incoming::Queue { uploads, events } = Incoming::read(&event).unwrap() else { panic!("not a queue") };
        assert!(uploads[0].notices.is_ok() && uploads[1].notices.is_err() && events.is_empty());
        let delivery = &uploads[0].delivery;
        assert_eq!((delivery.receives, delivery.queue.as_str()), (3, "arn:aws:sqs:eu-west-1:1:uploads"));
    }

    #[test]
    fn events_are_told_from_uploads_and_an_unreadable_one_fails_alone() {
        let id = "aws-aaaaaaaaaaaaaaaaaaaaaaaaaa";
        let data = json!({ "id": id, "problem": "too-large", "detail": "it is" });
        let event = json!({
            "specversion": "1.0", "id": format!("{id}:failed"), "type": "dev.crosslens.image.failed.v1", "subject": id,
            "source": "/crosslens/aws", "time": "2026-11-20T10:00:00Z", "datacontenttype": "application/json", "data": data,
        })
        .to_string();
        let strange = event.replace("image.failed", "image.of.others");
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#;
        let records = [message("e", &event), message("s", &strange), message("u", test)];
        let batch = json!({ "Records": records }).to_string();
        let Incoming::Queue { uploads, events } = Incoming::read(&batch).unwrap() else { panic!("not a queue") };
        assert_eq!((events[0].delivery.id.as_str(), events.len()), ("e", 1));
        assert_eq!((uploads[0].delivery.id.as_str(), uploads[1].delivery.id.as_str()), ("s", "u"));
        assert!(uploads[0].notices.is_err() && uploads[1].notices.is_ok());
        let sns = |message: &str| json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": message } }] });
        assert!(matches!(Incoming::read(&sns(&event).to_string()), Ok(Incoming::Events(events)) if events.len() == 1));
        assert_eq!(Incoming::read(&sns(&strange).to_string()).unwrap_err().kind(), Kind::InvalidRequest);
        assert!(matches!(Incoming::read(&sns(test).to_string()), Ok(Incoming::Notices(_))));
    }

    #[test]
    fn what_is_none_of_ours_is_refused() {
        for event in ["null", "{}", "[]", r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#] {
            assert_eq!(Incoming::read(event).unwrap_err().kind(), Kind::InvalidRequest, "{event}");
        }
    }

    #[test]
    fn the_schedule_is_known_by_its_source() {
        let event = r#"{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#;
        assert!(matches!(Incoming::read(event).unwrap(), Incoming::Schedule));
    }
}
