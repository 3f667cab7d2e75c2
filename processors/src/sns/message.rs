//! A message of SNS: what it must hold, and the text that its signature is over. Pure.

use common::error::{Error, Kind, Result};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::Deserialize;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// It brings something.
    Notification,
    /// Somebody wants messages to be delivered here.
    Subscription,
    /// Somebody has ended that.
    Unsubscription,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Type::Notification => "Notification",
            Type::Subscription => "SubscriptionConfirmation",
            Type::Unsubscription => "UnsubscribeConfirmation",
        }
    }
}

/// How it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// RSA with SHA-1, what a topic does unless it is told otherwise.
    One,
    /// RSA with SHA-256.
    Two,
}

/// A message with all that its type must have. Nothing of it is to be believed yet.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) of: Type,
    pub(super) message: String,
    id: String,
    subject: Option<String>,
    pub(super) subscribe_url: Option<String>,
    token: Option<String>,
    pub(super) timestamp: Timestamp,
    /// As it is signed.
    time: String,
    pub(super) topic: String,
    pub(super) version: Version,
    pub(super) signature: Vec<u8>,
    /// The URL of the certificate.
    pub(super) certificate: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    r#type: Option<String>,
    message: Option<String>,
    message_id: Option<String>,
    subject: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    token: Option<String>,
    timestamp: Option<String>,
    topic_arn: Option<String>,
    signature_version: Option<String>,
    signature: Option<String>,
    #[serde(rename = "SigningCertURL")]
    certificate: Option<String>,
}

impl Message {
    /// Reads a request's body.
    ///
    /// # Errors
    /// `invalid-request` with what is missing or wrong.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let wire: Wire = serde_json::from_slice(body)
            .map_err(|cause| invalid("this is no message of SNS".to_owned()).because(cause))?;
        let of = match needed(wire.r#type, "Type")?.as_str() {
            "Notification" => Type::Notification,
            "SubscriptionConfirmation" => Type::Subscription,
            "UnsubscribeConfirmation" => Type::Unsubscription,
            _ => return Err(invalid("this Type is not known".to_owned())),
        };
        let version = match needed(wire.signature_version, "SignatureVersion")?.as_str() {
            "1" => Version::One,
            "2" => Version::Two,
            _ => return Err(invalid("this SignatureVersion is not known; 1 and 2 are".to_owned())),
        };
        let (mut subscribe_url, mut token) = (None, None);
        if of != Type::Notification {
            subscribe_url = Some(needed(wire.subscribe_url, "SubscribeURL")?);
            token = Some(needed(wire.token, "Token")?);
        }
        let time = needed(wire.timestamp, "Timestamp")?;
        let signature = needed(wire.signature, "Signature")?;
        Ok(Self {
            of,
            message: needed(wire.message, "Message")?,
            id: needed(wire.message_id, "MessageId")?,
            subject: wire.subject.filter(|_| of == Type::Notification),
            subscribe_url,
            token,
            timestamp: time
                .parse()
                .map_err(|cause: jiff::Error| invalid("Timestamp is no time".to_owned()).because(cause))?,
            time,
            topic: needed(wire.topic_arn, "TopicArn")?,
            version,
            signature: BASE64
                .decode(signature.as_bytes())
                .map_err(|cause| invalid("Signature is not base64".to_owned()).because(cause))?,
            certificate: needed(wire.certificate, "SigningCertURL")?,
        })
    }

    /// What the signature is over: names and values, a line each, by name
    /// (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html>).
    pub(super) fn signed(&self) -> String {
        let lines = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(self.id.as_str())),
            ("Subject", self.subject.as_deref()),
            ("SubscribeURL", self.subscribe_url.as_deref()),
            ("Timestamp", Some(self.time.as_str())),
            ("Token", self.token.as_deref()),
            ("TopicArn", Some(self.topic.as_str())),
            ("Type", Some(self.of.name())),
        ];
        lines.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?))).collect()
    }
}

fn needed(value: Option<String>, name: &str) -> Result<String> {
    value.ok_or_else(|| invalid(format!("{name} is missing")))
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidRequest, message)
}
