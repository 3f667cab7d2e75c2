//! A message as Twilio hands it over, in a form, a query or a JSON object
//! (<https://www.twilio.com/docs/messaging/guides/webhook-request>). Pure.

use std::{collections::BTreeMap, fmt};

use common::{
    error::{Error, Kind, Result},
    message::PhoneNumber,
};
use serde_json::Value;

/// As many attachments as an MMS has.
const MOST_PICTURES: usize = 10;
/// Longer names are none of Twilio's, which have 34 letters.
const LONGEST_SID: usize = 64;

/// A message.
#[derive(Clone, PartialEq)]
pub(super) struct Incoming {
    /// Its name; every delivery of the message has the same.
    pub(super) sid: String,
    pub(super) from: PhoneNumber,
    pub(super) to: PhoneNumber,
    /// What it says, as it was written.
    pub(super) text: String,
    /// URLs of the pictures that came with it.
    pub(super) pictures: Vec<String>,
    /// Whether somebody wrote it; otherwise it tells how a message of ours fared.
    pub(super) written: bool,
}

/// Neither numbers nor what was said.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Incoming {
    /// Reads what came in a form or a query; names of any other kind are passed over.
    pub(super) fn of_form(form: &[u8]) -> Result<Self> {
        Self::read(url::form_urlencoded::parse(form).into_owned().collect())
    }

    /// Reads a JSON object of texts with the same names.
    pub(super) fn of_json(body: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(body).map_err(|_| invalid("the body is no JSON"))?;
        let Value::Object(fields) = value else { return Err(invalid("the body is no JSON object")) };
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Self::read(fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
    }

    fn read(mut fields: BTreeMap<String, String>) -> Result<Self> {
        let sid = ["MessageSid", "SmsMessageSid", "SmsSid"].into_iter().find_map(|name| fields.remove(name));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let sid = sid.filter(|sid| (1..=LONGEST_SID).contains(&sid.len()) && sid.bytes().all(plain));
        let mut number = |name: &str| fields.remove(name).ok_or_else(|| invalid("a number is missing"))?.parse();
        let (from, to) = (number("From")?, number("To")?);
        let status = ["SmsStatus", "MessageStatus"].into_iter().find_map(|name| fields.get(name).map(String::as_str));
        Ok(Self {
            sid: sid.ok_or_else(|| invalid("the message has no usable MessageSid"))?,
            from,
            to,
            written: matches!(status, None | Some("received" | "receiving")),
            pictures: pictures(&fields),
            text: fields.remove("Body").unwrap_or_default(),
        })
    }
}

/// The attachments that are pictures, or may be.
fn pictures(fields: &BTreeMap<String, String>) -> Vec<String> {
    let count = fields.get("NumMedia").and_then(|count| count.trim().parse::<usize>().ok());
    let is_picture = |n: usize| {
        let media = fields.get(&format!("MediaContentType{n}")).map(String::as_str).unwrap_or("image/");
        media.to_ascii_lowercase().starts_with("image/")
    };
    (0..count.unwrap_or(MOST_PICTURES).min(MOST_PICTURES))
        .filter(|n| is_picture(*n))
        .filter_map(|n| fields.get(&format!("MediaUrl{n}")).filter(|url| !url.is_empty()).cloned())
        .collect()
}

fn invalid(message: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "MessageSid=MM1&From=%2B15550100&To=%2B15550199";

    fn read(more: &str) -> Incoming {
        Incoming::of_form(format!("{LEAST}{more}").as_bytes()).unwrap()
    }

    #[test]
    fn a_message_is_read_from_a_form_and_from_json() {
        let read = read(
            "&Body=face+match+%22x%22&NumMedia=2&MediaUrl0=https%3A%2F%2Fm.example%2F0&MediaUrl1=https%3A%2F%2Fm.example%2F1",
        );
        assert_eq!((read.sid.as_str(), read.text.as_str()), ("MM1", "face match \"x\""));
        assert_eq!(read.pictures, ["https://m.example/0", "https://m.example/1"]);
        let json = r#"{"MessageSid":"MM1","From":"+15550100","To":"+15550199","Body":"face match \"x\"","NumMedia":2,
            "MediaUrl0":"https://m.example/0","MediaUrl1":"https://m.example/1","Other":{"a":1}}"#;
        assert_eq!(Incoming::of_json(json.as_bytes()).unwrap(), read);
    }

    #[test]
    fn attachments_count_as_far_as_they_are_pictures() {
        assert_eq!(read("&NumMedia=1&MediaUrl0=a&MediaUrl1=b").pictures, ["a"]);
        assert_eq!(read("&MediaUrl0=a&MediaUrl2=c").pictures, ["a", "c"]);
        let card = "&NumMedia=2&MediaUrl0=a&MediaContentType0=text%2Fx-vcard&MediaUrl1=b&MediaContentType1=image%2Fpng";
        assert_eq!(read(card).pictures, ["b"]);
        let many: String = (0..30).map(|n| format!("&MediaUrl{n}=u{n}")).collect();
        assert_eq!(read(&format!("&NumMedia=30{many}")).pictures.len(), MOST_PICTURES);
        assert!(read("&NumMedia=0&MediaUrl0=").pictures.is_empty());
    }

    #[test]
    fn what_is_no_message_is_refused_without_its_words() {
        for wrong in [
            "",
            "From=%2B15550100&To=%2B15550199",
            "MessageSid=MM1&To=%2B15550199",
            "MessageSid=MM1&From=anybody&To=%2B15550199",
            "MessageSid=..%2Fx&From=%2B15550100&To=%2B15550199",
        ] {
            let error = Incoming::of_form(wrong.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
            assert!(!error.to_string().contains("555") && !error.to_string().contains("anybody"), "{error}");
        }
        for wrong in ["", "[]", "{", "{\"MessageSid\":{}}"] {
            assert!(Incoming::of_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(!read("&SmsStatus=delivered").written && read("&SmsStatus=received").written);
        assert!(!format!("{:?}", read("&Body=hunter2")).contains("hunter2"));
    }
}
