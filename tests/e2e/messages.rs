//! Pictures by message: `crosslens up` between Twilio's webhook, signed as Twilio signs, and a stand-in for its API.

mod answers;
mod command;
mod conversation;
mod signatures;
mod webhook;

use std::fmt::Write as _;

use common::{
    event::Event,
    intake::Limits,
    message::{Operation, Reply, Request},
    ports::Publish as _,
    request::{Cloud, ImageId},
};
use local::Local;
use processors::messages::{AuthToken, SIGNATURE, sign};
use reqwest::Response;
use tests::{Builder, DetectorStandIn, Server, Sms, TwilioStandIn, client, wait_until_async};

const FORM: &str = "application/x-www-form-urlencoded";
/// Where Twilio believes that it calls.
const PUBLIC: &str = "https://sms.example.com/messages";
const PERSON: &str = "+15550100123";
const OURS: &str = "+15550199456";

/// A server, whom it asks and by whom it sends.
struct Line {
    server: Server,
    twilio: TwilioStandIn,
    detector: DetectorStandIn,
}

impl Line {
    async fn start(build: impl FnOnce(Builder) -> Builder) -> Self {
        let (twilio, detector) = (TwilioStandIn::start().await, DetectorStandIn::start().await);
        let builder = Server::build()
            .without_model()
            .args(["--detector", &detector.url()])
            .env("TWILIO_ACCOUNT_SID", TwilioStandIn::ACCOUNT)
            .env("TWILIO_AUTH_TOKEN", TwilioStandIn::TOKEN)
            .env("CROSSLENS_MESSAGES_URL", PUBLIC)
            .env("CROSSLENS_TWILIO_URL", twilio.url())
            .env("CROSSLENS_MESSAGE_SETTLES_MS", "0")
            .env("CROSSLENS_RETRY_FIRST_MS", "50");
        Self { server: build(builder).start(), twilio, detector }
    }

    /// A message of this name, as Twilio delivers it.
    async fn deliver(&self, sid: &str, text: &str, pictures: &[&str]) -> Response {
        let body = form(sid, PERSON, text, pictures);
        self.post(&body, &signed(&body)).await
    }

    async fn post(&self, body: &str, signature: &str) -> Response {
        let request = client().post(self.server.at("/messages")).header("content-type", FORM);
        request.header(SIGNATURE, signature).body(body.to_owned()).send().await.unwrap()
    }

    /// What is said at once.
    async fn says(&self, sid: &str, text: &str, pictures: &[&str]) -> String {
        let answer = self.deliver(sid, text, pictures).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/xml");
        answer.text().await.unwrap()
    }

    /// The texts that went out, once there are this many.
    async fn texts(&self, count: usize) -> Vec<String> {
        let twilio = self.twilio.clone();
        let enough = || async {
            let taken = twilio.taken();
            (taken.len() >= count).then_some(taken)
        };
        let taken: Vec<Sms> = wait_until_async("the messages", enough).await;
        assert!(taken.iter().all(|sms| (sms.to.as_str(), sms.from.as_str()) == (PERSON, OURS)), "{taken:?}");
        taken.into_iter().map(|sms| sms.body).collect()
    }

    /// Publishes answers to this number as a processor would, and again what has the same number.
    async fn answer(&self, answers: &[(usize, &str)]) {
        let topics = Local::open_shared(self.server.data(), &Limits::default()).unwrap().topics;
        let events: Vec<Event> = answers.iter().map(|(n, text)| answer(*n, text)).collect();
        topics.publish(&events).await.into_iter().for_each(Result::unwrap);
    }

    /// How many messages have been worked off in this way.
    async fn sent(&self, outcome: &str) -> usize {
        let metrics = client().get(self.server.at("/metrics")).send().await.unwrap().text().await.unwrap();
        let name = format!("crosslens_messages_sent_total{{outcome=\"{outcome}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    async fn until_sent(&self, outcome: &str, count: usize) {
        wait_until_async(outcome, || async { (self.sent(outcome).await >= count).then_some(()) }).await;
    }
}

fn answer(n: usize, text: &str) -> Event {
    let input = Request {
        operation: Operation::Match,
        image_url: None,
        collection_name: None,
        from_number: PERSON.parse().unwrap(),
        to_number: OURS.parse().unwrap(),
        label: None,
    };
    let (from_number, to_number) = (input.from_number.clone(), input.to_number.clone());
    let reply = Reply { message: text.to_owned(), from_number, to_number, input, biography: None };
    Event::replied(Cloud::Local, &ImageId::of_message(Cloud::Local, "answered", n), &reply, None)
}

fn token() -> AuthToken {
    AuthToken::new(TwilioStandIn::TOKEN).unwrap()
}

fn signed(body: &str) -> String {
    sign(&token(), PUBLIC, FORM, body.as_bytes())
}

fn form(sid: &str, from: &str, text: &str, pictures: &[&str]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", sid).append_pair("From", from).append_pair("To", OURS).append_pair("Body", text);
    form.append_pair("NumMedia", &pictures.len().to_string()).append_pair("SmsStatus", "received");
    for (n, url) in pictures.iter().enumerate() {
        form.append_pair(&format!("MediaUrl{n}"), url).append_pair(&format!("MediaContentType{n}"), "image/bmp");
    }
    form.finish()
}

/// An answer in TwiML.
fn twiml(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            letter => write!(escaped, "{letter}").unwrap(),
        }
    }
    format!("<Response><Message><Body>{escaped}</Body></Message></Response>")
}

const SILENCE: &str = "<Response></Response>";
