//! The front door: a message that was verified becomes what it asks for, once, and an answer.

use std::sync::Arc;

use common::{
    error::Result,
    event::Event,
    message::{Operation, Reply, Request},
    ports::{Journal, Numbers, Outbox, Publish, Rest, Settled, Settlement, Standing},
    request::{Cloud, ImageId},
    tell::tell,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use metrics::counter;

use super::{
    grammar::{self, Asked, Said, understood},
    incoming::Incoming,
};

/// Under which the journal remembers what came in.
const NAME: &str = "messages";
const AGAIN: &str = "You will get answers again. Reply HELP for what I understand, STOP for no more messages.";
const NO_MORE: &str = "There is nothing more.";

/// What a number may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages that go to one number on one day, in UTC.
    pub per_day: u32,
    /// Segments of one message; the rest of a longer text comes on request.
    pub segments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_day: 100, segments: 4 }
    }
}

/// What stands behind the webhook.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Door {
    pub cloud: Cloud,
    pub numbers: Arc<dyn Numbers>,
    pub journal: Arc<dyn Journal>,
    pub outbox: Arc<dyn Outbox>,
    pub publish: Arc<dyn Publish>,
    pub limits: Limits,
}

/// What is said at once, and how many messages follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: Option<String>,
    pub(super) replies: usize,
}

/// What a message leads to.
#[derive(Default)]
struct Effect {
    text: Option<String>,
    events: Vec<Event>,
    /// Whether messages are stopped or begun.
    stop: Option<bool>,
}

impl Effect {
    fn say(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

impl Door {
    /// Takes a message in. A delivery that is not the first is answered with nothing: of several there is one answer.
    pub(super) async fn take(&self, message: &Incoming, traceparent: Option<&str>) -> Result<Answer> {
        let (id, owner, today) = (self.id(message, 0), message.from.owner(), today());
        let said = understood(&message.text, &message.pictures);
        let standing = self.numbers.standing(&owner, today).await?;
        let effect = self.effect(message, said, &standing, traceparent);
        let received = format!("{id}:received");
        // It must not be lost behind the mark; and one that comes once more must not undo what the number has said since.
        if let Some(stopped) = effect.stop
            && !self.journal.is_settled(NAME, &received).await?
        {
            self.numbers.stop(&owner, stopped).await?;
        }
        let settlement = Settlement { events: effect.events, ..Settlement::default() };
        let settled = self.journal.settle(NAME, &received, &id, &settlement).await?;
        if settled == Settled::Before {
            counter!("crosslens_messages_received_total", "outcome" => "known").increment(1);
            return Ok(Answer::default());
        }
        counter!("crosslens_messages_received_total", "outcome" => "taken").increment(1);
        if settled == Settled::Recorded {
            tell(self.publish.as_ref(), self.outbox.as_ref(), &settlement.events).await;
        }
        if effect.text.is_some() {
            self.numbers.count(&owner, today).await?;
        }
        Ok(Answer { text: effect.text, replies: settlement.events.len() })
    }

    /// What is to happen. A number that has stopped is not spoken to until it says so, and one that has had its messages of the day
    /// not before tomorrow; both are always heard when they say stop or start.
    fn effect(&self, message: &Incoming, said: Said, standing: &Standing, traceparent: Option<&str>) -> Effect {
        let spent = standing.today >= self.limits.per_day;
        match said {
            Said::Stop => Effect { stop: Some(true), ..Effect::default() },
            Said::Start | Said::Yes if standing.stopped => {
                Effect { stop: Some(false), ..if spent { Effect::default() } else { Effect::say(AGAIN) } }
            }
            _ if standing.stopped || spent => Effect::default(),
            Said::Start => Effect::say(AGAIN),
            Said::Help => Effect::say(grammar::HELP),
            Said::Status => Effect::say(self.status(standing)),
            Said::Refused(why) => Effect::say(why),
            Said::More => match &standing.rest {
                Some(rest) => Effect { events: vec![self.more(message, rest, traceparent)], ..Effect::default() },
                None => Effect::say(NO_MORE),
            },
            Said::Yes => self.asked(message, &Asked::of(Operation::Consent), traceparent),
            Said::Asked(asked) => self.asked(message, &asked, traceparent),
        }
    }

    /// One request for each picture, or one for none.
    fn asked(&self, message: &Incoming, asked: &Asked, traceparent: Option<&str>) -> Effect {
        let pictures: Vec<Option<&String>> = match asked.pictures.as_slice() {
            [] => vec![None],
            some => some.iter().map(Some).collect(),
        };
        let event = |(n, picture): (usize, Option<&String>)| {
            let request = Request {
                operation: asked.operation,
                image_url: picture.cloned(),
                collection_name: asked.collection.clone(),
                from_number: message.from.clone(),
                to_number: message.to.clone(),
                label: asked.person.clone(),
            };
            Event::requested(self.cloud, &self.id(message, n), &request, traceparent.map(str::to_owned))
        };
        let events = pictures.into_iter().enumerate().map(event).collect();
        Effect { events, ..Effect::say(grammar::ALL_GOOD) }
    }

    /// The next part of a text. Its identity follows from the text's, so that asking twice before it has come brings it once.
    fn more(&self, message: &Incoming, rest: &Rest, traceparent: Option<&str>) -> Event {
        let input = Request {
            operation: Operation::More,
            image_url: None,
            collection_name: None,
            from_number: message.from.clone(),
            to_number: message.to.clone(),
            label: None,
        };
        let reply = Reply {
            message: rest.text.clone(),
            from_number: message.from.clone(),
            to_number: message.to.clone(),
            input,
            biography: None,
        };
        let mut event = Event::replied(self.cloud, &rest.of, &reply, traceparent.map(str::to_owned));
        event.id = format!("{}-{}", event.id, rest.parts);
        event
    }

    fn status(&self, standing: &Standing) -> String {
        let more = if standing.rest.is_some() { " The rest of a long text waits: reply MORE." } else { "" };
        format!("Messages to you today: {} of {} at the most.{more}", standing.today, self.limits.per_day)
    }

    fn id(&self, message: &Incoming, n: usize) -> ImageId {
        ImageId::of_message(self.cloud, &message.sid, n)
    }
}

impl Asked {
    fn of(operation: Operation) -> Self {
        Self { operation, collection: None, person: None, pictures: Vec::new() }
    }
}

/// The day in UTC.
pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
