//! Events to SNS topics: ten in one call, with the attributes that subscriptions filter by.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sns::{
    error::{DisplayErrorContext, ProvideErrorMetadata},
    types::{MessageAttributeValue, PublishBatchRequestEntry as Entry},
};
use bytes::Bytes;
use common::{
    error::{Error, Kind, Result, internal},
    event::{Attribute, Event, Topic},
    ports::{Publish, Store as _},
    upload::DERIVED,
};
use serde_json::{Value, json};

use crate::s3::Buckets;

/// Entries in one call (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>).
const TOGETHER: usize = 10;
/// Bytes of one call, messages and attributes, as every subscriber takes them.
const MOST: usize = 256 * 1024;

/// The topics of one deployment.
#[derive(Debug, Clone)]
pub struct SnsTopics {
    client: aws_sdk_sns::Client,
    arns: BTreeMap<Topic, String>,
    bucket: Buckets,
}

/// One event, as it goes out.
struct Message {
    place: usize,
    entry: Entry,
    size: usize,
}

impl SnsTopics {
    /// Topics by their ARNs. What is too large for a message is kept in the bucket, and the message says where.
    pub fn new(client: aws_sdk_sns::Client, arns: BTreeMap<Topic, String>, bucket: Buckets) -> Self {
        Self { client, arns, bucket }
    }

    async fn message(&self, place: usize, event: &Event) -> Result<Message> {
        let attributes = attributes(event)?;
        let around: usize = attributes.iter().map(|(name, (kind, value))| name.len() + kind.len() + value.len()).sum();
        let mut body = serde_json::to_string(event).map_err(internal)?;
        if body.len().saturating_add(around) > MOST {
            body = self.checked_in(event, body).await?;
        }
        let size = body.len().saturating_add(around);
        let values = attributes
            .into_iter()
            .map(|(name, (kind, value))| {
                let value = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
                Ok((name.to_owned(), value.map_err(internal)?))
            })
            .collect::<Result<_>>()?;
        let entry = Entry::builder().id(place.to_string()).message(body).set_message_attributes(Some(values));
        Ok(Message { place, entry: entry.build().map_err(internal)?, size })
    }

    /// Puts the event into the bucket and returns one that points to it, as CloudEvents' `dataref` extension has it
    /// (<https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md>).
    async fn checked_in(&self, event: &Event, body: String) -> Result<String> {
        let key = format!("{DERIVED}events/{}.json", event.id.replace(':', "."));
        self.bucket.put(&key, Bytes::from(body)).await?;
        let mut pointer = serde_json::to_value(event).map_err(internal)?;
        if let Value::Object(fields) = &mut pointer {
            fields.remove("data");
            fields.insert("dataref".to_owned(), json!(format!("s3://{}/{key}", self.bucket.own()?)));
        }
        Ok(pointer.to_string())
    }

    /// One call; the answers by the events' places.
    async fn send(&self, topic: Topic, messages: Vec<Message>) -> Vec<(usize, Result<()>)> {
        let places: Vec<usize> = messages.iter().map(|message| message.place).collect();
        let all = |error: Error| places.iter().map(|place| (*place, Err(error.clone()))).collect();
        let Some(arn) = self.arns.get(&topic) else {
            return all(Error::new(Kind::Unavailable, format!("CROSSLENS_TOPICS does not name {}", topic.name())));
        };
        let entries = messages.into_iter().map(|message| message.entry).collect();
        match self.client.publish_batch().topic_arn(arn).set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(answer) => {
                let refused = |place: usize| {
                    let failed = answer.failed().iter().find(|failed| failed.id() == place.to_string())?;
                    Some(classify(failed.code(), failed.message().unwrap_or_default().to_owned()))
                };
                places.iter().map(|place| (*place, refused(*place).map_or(Ok(()), Err))).collect()
            }
            Err(error) => {
                let cause = DisplayErrorContext(&error).to_string();
                all(classify(error.as_service_error().and_then(|error| error.code()).unwrap_or_default(), cause))
            }
        }
    }
}

#[async_trait]
impl Publish for SnsTopics {
    async fn publish(&self, events: &[Event]) -> Vec<Result<()>> {
        let mut answers: Vec<Result<()>> = events.iter().map(|_| Ok(())).collect();
        let mut settle = |place: usize, answer| {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        };
        let mut calls: BTreeMap<Topic, Vec<Vec<Message>>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            match self.message(place, event).await {
                Ok(message) => join(calls.entry(event.topic()).or_default(), message),
                Err(error) => settle(place, Err(error)),
            }
        }
        for (topic, messages) in calls.into_iter().flat_map(|(topic, calls)| calls.into_iter().map(move |m| (topic, m)))
        {
            for (place, answer) in self.send(topic, messages).await {
                settle(place, answer);
            }
        }
        answers
    }
}

/// Adds a message to the last call where there is room for it.
fn join(calls: &mut Vec<Vec<Message>>, message: Message) {
    match calls.last_mut() {
        Some(last)
            if last.len() < TOGETHER
                && last.iter().map(|message| message.size).sum::<usize>().saturating_add(message.size) <= MOST =>
        {
            last.push(message);
        }
        _ => calls.push(vec![message]),
    }
}

/// Name to data type and value; what is empty is left out, because SNS refuses it.
fn attributes(event: &Event) -> Result<BTreeMap<&'static str, (&'static str, String)>> {
    let mut attributes = BTreeMap::new();
    for (name, attribute) in event.attributes() {
        match attribute {
            Attribute::One(word) if !word.is_empty() => attributes.insert(name, ("String", word)),
            Attribute::Many(words) if !words.is_empty() => {
                attributes.insert(name, ("String.Array", serde_json::to_string(&words).map_err(internal)?))
            }
            _ => None,
        };
    }
    if let Some(trace) = &event.traceparent {
        attributes.insert("traceparent", ("String", trace.clone()));
    }
    Ok(attributes)
}

/// What SNS says, in our words. All of it may pass: what is recorded stays in the outbox until it is published.
fn classify(code: &str, cause: String) -> Error {
    let message = match code {
        "NotFound" | "NotFoundException" => "there is no such topic",
        "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" => "a policy forbids publishing",
        "Throttled" | "ThrottledException" | "Throttling" => "the topic has too much to do",
        _ => "the topic does not take events now",
    };
    Error::new(Kind::Unavailable, message).because(cause)
}
