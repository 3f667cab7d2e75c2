//! What is told to everybody who waits: CloudEvents 1.0 in their JSON form, on named topics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    analysis::Analysis,
    error::Error,
    message::{Reply, Request},
    moderation::Moderation,
    request::{Cloud, ImageId},
    translation::Translations,
};

/// Where events are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// An analysis is there.
    ImageLabelled,
    /// The pipeline gave an image up.
    ImageFailed,
    /// Moderation has decided about an image.
    ImageModerated,
    /// The labels are there in other languages.
    LabelsTranslated,
    /// Somebody asks by message for a collection of faces to be made, deleted or named.
    CreateCollectionRequest,
    /// Somebody asks by message for a face to be added or forgotten, or agrees to it.
    AddFaceRequest,
    /// Somebody asks by message whose face it is.
    MatchFaceRequest,
    /// Somebody asks by message what is on a picture.
    LabelRequest,
    /// Somebody who asked by message is answered.
    DispatchResponse,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 9] = [
        Topic::ImageLabelled,
        Topic::ImageFailed,
        Topic::ImageModerated,
        Topic::LabelsTranslated,
        Topic::CreateCollectionRequest,
        Topic::AddFaceRequest,
        Topic::MatchFaceRequest,
        Topic::LabelRequest,
        Topic::DispatchResponse,
    ];

    /// Those that are about images. The others hold people's numbers, names and words, and are for those only who ask for them
    /// by name.
    pub const OF_IMAGES: [Topic; 4] =
        [Topic::ImageLabelled, Topic::ImageFailed, Topic::ImageModerated, Topic::LabelsTranslated];

    /// The topic's name.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::ImageLabelled => "image_labelled",
            Topic::ImageFailed => "image_failed",
            Topic::ImageModerated => "image_moderated",
            Topic::LabelsTranslated => "labels_translated",
            Topic::CreateCollectionRequest => "create_collection_request",
            Topic::AddFaceRequest => "add_face_request",
            Topic::MatchFaceRequest => "match_face_request",
            Topic::LabelRequest => "label_request",
            Topic::DispatchResponse => "dispatch_response",
        }
    }

    /// The CloudEvents `type` of what is published here.
    pub const fn event_type(self) -> &'static str {
        match self {
            Topic::ImageLabelled => "dev.crosslens.image.labelled.v1",
            Topic::ImageFailed => "dev.crosslens.image.failed.v1",
            Topic::ImageModerated => "dev.crosslens.image.moderated.v1",
            Topic::LabelsTranslated => "dev.crosslens.labels.translated.v1",
            Topic::CreateCollectionRequest => "dev.crosslens.face.collection-requested.v1",
            Topic::AddFaceRequest => "dev.crosslens.face.add-requested.v1",
            Topic::MatchFaceRequest => "dev.crosslens.face.match-requested.v1",
            Topic::LabelRequest => "dev.crosslens.image.label-requested.v1",
            Topic::DispatchResponse => "dev.crosslens.message.reply.v1",
        }
    }

    /// The second half of an event's identity, `id:kind`.
    pub const fn kind(self) -> &'static str {
        match self {
            Topic::ImageLabelled => "labelled",
            Topic::ImageFailed => "failed",
            Topic::ImageModerated => "moderated",
            Topic::LabelsTranslated => "translated",
            Topic::CreateCollectionRequest => "collection",
            Topic::AddFaceRequest => "add-face",
            Topic::MatchFaceRequest => "match-face",
            Topic::LabelRequest => "label",
            Topic::DispatchResponse => "reply",
        }
    }

    /// Finds a topic by its exact name.
    pub fn from_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// Why an image was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The image's id.
    #[schema(value_type = String)]
    pub id: ImageId,
    /// Where it came from, without query, fragment or credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The suffix of the problem's `type`, as in `undecodable-image`.
    pub problem: String,
    /// One sentence for people.
    pub detail: String,
}

impl Failure {
    /// What anybody may know of the error.
    pub fn new(id: &ImageId, source: Option<String>, error: &Error) -> Self {
        let (problem, detail) = (error.kind().slug().to_owned(), error.message().to_owned());
        Self { id: id.clone(), source, problem, detail }
    }
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Payload {
    /// On `image_labelled`.
    Labelled(Box<Analysis>),
    /// On `image_failed`.
    Failed(Failure),
    /// On `image_moderated`.
    Moderated(Box<Moderation>),
    /// On `labels_translated`.
    Translated(Box<Translations>),
    /// On `create_collection_request`, `add_face_request`, `match_face_request` and `label_request`.
    Requested(Box<Request>),
    /// On `dispatch_response`.
    Replied(Box<Reply>),
}

/// A CloudEvents 1.0 envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// `id:kind`, or `id:kind-N` for a later one of the same kind; the same for every delivery of the same event.
    pub id: String,
    /// The CloudEvents type, as in `dev.crosslens.image.labelled.v1`.
    pub r#type: String,
    /// The deployment that published it, as in `/crosslens/local`.
    pub source: String,
    /// The image's id, or that of what somebody asked for by message.
    #[schema(value_type = String)]
    pub subject: ImageId,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// W3C trace context of the request behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What it is about.
    pub data: Payload,
}

impl Event {
    /// The event that says that an analysis is there.
    pub fn labelled(cloud: Cloud, analysis: &Analysis, traceparent: Option<String>) -> Self {
        let payload = Payload::Labelled(Box::new(analysis.clone()));
        Self::new(cloud, Topic::ImageLabelled, &analysis.id, traceparent, payload)
    }

    /// The event that says that an image was given up.
    pub fn failed(cloud: Cloud, failure: &Failure, traceparent: Option<String>) -> Self {
        Self::new(cloud, Topic::ImageFailed, &failure.id, traceparent, Payload::Failed(failure.clone()))
    }

    /// The event that says what moderation has decided; `again` tells a later decision about the same image from the first.
    pub fn moderated(cloud: Cloud, moderation: &Moderation, again: Option<&str>, traceparent: Option<String>) -> Self {
        let payload = Payload::Moderated(Box::new(moderation.clone()));
        let mut event = Self::new(cloud, Topic::ImageModerated, &moderation.id, traceparent, payload);
        if let Some(again) = again {
            event.id = format!("{}-{again}", event.id);
        }
        event
    }

    /// The event that says that labels are there in other languages.
    pub fn translated(cloud: Cloud, translations: &Translations, traceparent: Option<String>) -> Self {
        let payload = Payload::Translated(Box::new(translations.clone()));
        Self::new(cloud, Topic::LabelsTranslated, &translations.id, traceparent, payload)
    }

    /// The event that asks for something that somebody wants by message; `id` is [`ImageId::of_message`]'s.
    pub fn requested(cloud: Cloud, id: &ImageId, request: &Request, traceparent: Option<String>) -> Self {
        let payload = Payload::Requested(Box::new(request.clone()));
        Self::new(cloud, request.operation.topic(), id, traceparent, payload)
    }

    /// The event that answers what was asked under this id.
    pub fn replied(cloud: Cloud, id: &ImageId, reply: &Reply, traceparent: Option<String>) -> Self {
        Self::new(cloud, Topic::DispatchResponse, id, traceparent, Payload::Replied(Box::new(reply.clone())))
    }

    fn new(cloud: Cloud, topic: Topic, id: &ImageId, traceparent: Option<String>, data: Payload) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: format!("{id}:{}", topic.kind()),
            r#type: topic.event_type().to_owned(),
            source: format!("/crosslens/{}", cloud.name()),
            subject: id.clone(),
            time: Timestamp::now(),
            datacontenttype: "application/json".to_owned(),
            traceparent,
            data,
        }
    }

    /// The topic that it belongs on.
    pub fn topic(&self) -> Topic {
        match &self.data {
            Payload::Labelled(_) => Topic::ImageLabelled,
            Payload::Failed(_) => Topic::ImageFailed,
            Payload::Moderated(_) => Topic::ImageModerated,
            Payload::Translated(_) => Topic::LabelsTranslated,
            Payload::Requested(request) => request.operation.topic(),
            Payload::Replied(_) => Topic::DispatchResponse,
        }
    }

    /// The image that it is about, or what stands for one where somebody asked by message.
    pub fn image(&self) -> &ImageId {
        match &self.data {
            Payload::Labelled(analysis) => &analysis.id,
            Payload::Failed(failure) => &failure.id,
            Payload::Moderated(moderation) => &moderation.id,
            Payload::Translated(translations) => &translations.id,
            Payload::Requested(_) | Payload::Replied(_) => &self.subject,
        }
    }

    /// What a subscription may filter by: `kind`, for an analysis `provider`, `labels` and `adult`, for a decision `verdict`.
    pub fn attributes(&self) -> BTreeMap<&'static str, Attribute> {
        let mut attributes = BTreeMap::from([("kind", Attribute::One(self.topic().kind().to_owned()))]);
        if let Payload::Moderated(moderation) = &self.data {
            attributes.insert("verdict", Attribute::One(moderation.verdict.name().to_owned()));
        }
        if let Payload::Labelled(analysis) = &self.data {
            attributes.insert("provider", Attribute::One(analysis.detector.provider.clone()));
            let labels = analysis.findings.labels.iter().flatten();
            attributes.insert("labels", Attribute::Many(labels.map(|label| label.description.clone()).collect()));
            if let Some(safe) = &analysis.findings.safe_search
                && let Ok(serde_json::Value::String(adult)) = serde_json::to_value(safe.adult)
            {
                attributes.insert("adult", Attribute::One(adult));
            }
        }
        attributes
    }
}

/// A filterable property of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// A single word.
    One(String),
    /// Several words, any of which may match.
    Many(Vec<String>),
}
