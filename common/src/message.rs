//! What people ask by text message, and what they are answered: the words of the topics between the front door for messages and
//! whoever has an answer. The keys of both payloads are those of the system that this one descends from.

mod names;
mod number;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{Error, Kind, Result},
    event::{Event, Payload, Topic},
    request::Cloud,
};

pub use names::{CollectionName, PersonName};
pub use number::{Owner, PhoneNumber};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Make a collection of faces.
    AddCol,
    /// Delete one.
    DelCol,
    /// Name those of this number.
    List,
    /// Put the face on a picture into a collection, under a person's name.
    AddImg,
    /// Take a person out of a collection.
    Forget,
    /// The consent of this number to faces being kept and compared.
    Consent,
    /// Say whose face is on a picture.
    Match,
    /// Say what is on a picture.
    Label,
    /// The rest of a text that was too long for one message.
    More,
}

impl Operation {
    /// The topic that asks for it.
    pub const fn topic(self) -> Topic {
        match self {
            Operation::AddCol | Operation::DelCol | Operation::List => Topic::CreateCollectionRequest,
            Operation::AddImg | Operation::Forget | Operation::Consent => Topic::AddFaceRequest,
            Operation::Match => Topic::MatchFaceRequest,
            Operation::Label | Operation::More => Topic::LabelRequest,
        }
    }
}

/// One thing asked for; a message with several pictures asks for several.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// What is asked for.
    pub operation: Operation,
    /// Where the picture is, where one is needed. A stranger's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The collection, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub collection_name: Option<CollectionName>,
    /// Who asks.
    #[schema(value_type = String)]
    pub from_number: PhoneNumber,
    /// The number of ours that was written to, and that the answer comes from.
    #[schema(value_type = String)]
    pub to_number: PhoneNumber,
    /// The person's name as `first_last`, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub label: Option<PersonName>,
}

/// Neither numbers nor names nor the picture's URL, which may be signed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// An answer to a person, as a text message.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// The answer.
    #[serde(rename = "Message")]
    pub message: String,
    /// Who asked, and is answered.
    #[serde(rename = "From_number")]
    #[schema(value_type = String)]
    pub from_number: PhoneNumber,
    /// The number that was asked, and that the answer comes from.
    #[serde(rename = "To_number")]
    #[schema(value_type = String)]
    pub to_number: PhoneNumber,
    /// What was asked.
    pub input: Request,
    /// Who somebody is, after the answer.
    #[serde(rename = "Biography", default, skip_serializing_if = "Option::is_none")]
    pub biography: Option<String>,
}

/// Neither numbers nor what is said, which names people.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("input", &self.input).finish_non_exhaustive()
    }
}

impl Reply {
    /// The event that answers this request. Its id follows from the request's, so that every delivery of one request is answered
    /// under one id.
    ///
    /// # Errors
    /// `invalid-request` for an event that asks for nothing.
    pub fn to(cloud: Cloud, asked: &Event, message: impl Into<String>, biography: Option<String>) -> Result<Event> {
        let Payload::Requested(request) = &asked.data else {
            return Err(Error::new(
                Kind::InvalidRequest,
                "only what somebody asks for by message is answered by message",
            ));
        };
        let reply = Self {
            message: message.into(),
            from_number: request.from_number.clone(),
            to_number: request.to_number.clone(),
            input: (**request).clone(),
            biography,
        };
        Ok(Event::replied(cloud, &asked.subject, &reply, asked.traceparent.clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::ImageId;

    fn request() -> Request {
        serde_json::from_value(json!({
            "operation": "addimg", "image_url": "https://u.example/hunter2", "collection_name": "friends",
            "from_number": "+15550100", "to_number": "+15550199", "label": "tom_cruise",
        }))
        .unwrap()
    }

    #[test]
    fn a_request_and_its_answer_keep_the_keys_and_come_back_as_what_they_are() {
        let id = ImageId::of_message(Cloud::Local, "SM1", 0);
        let asked = Event::requested(Cloud::Local, &id, &request(), Some("00-a-b-01".to_owned()));
        assert_eq!((asked.topic(), asked.id.as_str()), (Topic::AddFaceRequest, format!("{id}:add-face").as_str()));
        let answer = Reply::to(Cloud::Local, &asked, "Face matched", Some("An actor".to_owned())).unwrap();
        assert_eq!((answer.topic(), answer.id.as_str()), (Topic::DispatchResponse, format!("{id}:reply").as_str()));
        assert_eq!((&answer.subject, &answer.traceparent), (&asked.subject, &asked.traceparent));
        let wire = serde_json::to_value(&answer).unwrap();
        let keys: Vec<&String> = wire["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["Biography", "From_number", "Message", "To_number", "input"]);
        for event in [asked, answer.clone()] {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        assert_eq!(Reply::to(Cloud::Local, &answer, "", None).unwrap_err().kind(), Kind::InvalidRequest);
    }

    #[test]
    fn no_number_no_name_and_no_url_is_shown() {
        let id = ImageId::of_message(Cloud::Local, "SM1", 0);
        let asked = Event::requested(Cloud::Local, &id, &request(), None);
        let answer = Reply::to(Cloud::Local, &asked, "hunter2", None).unwrap();
        let shown = format!("{asked:?}{answer:?}");
        for secret in ["555", "tom", "hunter2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
