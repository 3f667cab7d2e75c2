//! Answers to people: each goes out once, however often it is delivered, and one of which nobody knows whether it went out is looked
//! for before it is sent again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    event::{Event, Payload, Topic},
    message::{Operation, Reply},
    ports::{Begun, Ended, Numbers, Replies, Rest, Settlement},
};
use jiff::Timestamp;
use metrics::counter;
use tracing::{info, warn};

use super::{
    Limits,
    carrier::{Carrier, Outcome, Outgoing},
    cut,
    door::today,
    segments,
};
use crate::Processor;

/// How long a try may take, with looking for an earlier one; another may begin after it.
const LEASE: Duration = Duration::from_secs(60);
/// How soon after a try the carrier's list is taken to be complete. What shows up later than that goes out twice.
pub(super) const SETTLES: Duration = Duration::from_secs(5);
/// A millionth of a dollar for each segment to the United States (<https://www.twilio.com/en-us/sms/pricing/us>), without what
/// carriers add.
const MICRODOLLARS: u64 = 8_300;

/// Sends answers.
pub struct Dispatch {
    carrier: Arc<dyn Carrier>,
    replies: Arc<dyn Replies>,
    numbers: Arc<dyn Numbers>,
    limits: Limits,
    settles: Duration,
}

impl Dispatch {
    /// Sends by this carrier what numbers may have.
    pub fn new(
        carrier: Arc<dyn Carrier>,
        replies: Arc<dyn Replies>,
        numbers: Arc<dyn Numbers>,
        limits: Limits,
    ) -> Self {
        Self { carrier, replies, numbers, limits, settles: SETTLES }
    }

    /// Takes the carrier's list for complete after this time, instead of five seconds.
    #[must_use]
    pub fn settling(mut self, settles: Duration) -> Self {
        self.settles = settles;
        self
    }

    /// Sends a reply or finds that nothing is to be sent.
    async fn once(&self, event: &Event, reply: &Reply) -> Result<&'static str> {
        let owner = reply.from_number.owner();
        let parts = cut(&whole(reply), self.limits.segments);
        if parts.head.is_empty() {
            return Ok("empty");
        }
        let outgoing = Outgoing {
            reply: event.id.clone(),
            about: event.subject.clone(),
            from: reply.to_number.clone(),
            to: reply.from_number.clone(),
            text: parts.head,
        };
        let rest = parts.rest.map(|text| Rest { of: event.subject.clone(), parts: part(event), text });
        // An answer that was short enough leaves alone what may still be asked for; the last part of a text does not.
        let remembered = if rest.is_some() || reply.input.operation == Operation::More { Some(rest) } else { None };
        let sent = |receipt: String| Ended::Sent { receipt, rest: remembered.clone() };
        let ended = match self.replies.begin(&event.id, &owner, today(), self.limits.per_day, LEASE).await? {
            Begun::Sent => return Ok("known"),
            Begun::Stopped => return Ok("stopped"),
            Begun::Capped => return Ok("capped"),
            Begun::Busy(left) => return Err(Error::new(Kind::Unavailable, "the answer is being sent").after(left)),
            Begun::First => None,
            Begun::Again(since) => match self.found(&outgoing, since).await {
                Ok(found) => found.map(sent),
                Err(error) => {
                    self.replies.end(&event.id, &owner, &Ended::Unclear).await?;
                    return Err(error);
                }
            },
        };
        if let Some(found) = ended {
            self.replies.end(&event.id, &owner, &found).await?;
            return Ok("found");
        }
        match self.carrier.send(&outgoing).await {
            Outcome::Taken(receipt) => {
                counted(&outgoing.text);
                self.replies.end(&event.id, &owner, &sent(receipt)).await?;
                Ok("sent")
            }
            Outcome::Stopped => {
                self.replies.end(&event.id, &owner, &Ended::Unsent).await?;
                self.numbers.stop(&owner, true).await?;
                Ok("stopped")
            }
            Outcome::NotTaken(error) => {
                self.replies.end(&event.id, &owner, &Ended::Unsent).await?;
                Err(error)
            }
            Outcome::Unclear(error) => {
                self.replies.end(&event.id, &owner, &Ended::Unclear).await?;
                Err(error)
            }
        }
    }

    /// The carrier's name for this reply, if an earlier try got through: that of a message with the same words that is no other
    /// reply's.
    async fn found(&self, outgoing: &Outgoing, since: Timestamp) -> Result<Option<String>> {
        let age = Timestamp::now().duration_since(since).unsigned_abs();
        if let Some(left) = self.settles.checked_sub(age).filter(|left| !left.is_zero()) {
            return Err(Error::new(Kind::Unavailable, "an earlier try may still show up at the carrier's").after(left));
        }
        for receipt in self.carrier.sent(outgoing, since).await? {
            if !self.replies.is_receipt(&receipt).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Processor for Dispatch {
    fn name(&self) -> &str {
        "dispatch"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::DispatchResponse]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        let Payload::Replied(reply) = &event.data else { return Ok(Settlement::default()) };
        let outcome = self.once(event, reply).await;
        let word = match &outcome {
            Ok(word) => word,
            Err(error) if error.is_permanent() => "refused",
            Err(_) => "failed",
        };
        counter!("crosslens_messages_sent_total", "outcome" => word).increment(1);
        match &outcome {
            Ok(word) => info!(outcome = word, "an answer"),
            Err(error) => warn!(%error, cause = error.causes(), "an answer has not gone out"),
        }
        outcome.map(|_| Settlement::default())
    }
}

/// What is said: the answer, and who somebody is.
fn whole(reply: &Reply) -> String {
    match &reply.biography {
        Some(biography) => format!("{} {biography}", reply.message),
        None => reply.message.clone(),
    }
}

/// Which part of its text this event is, from 1: `ID:reply`, then `ID:reply-1`, and so on.
fn part(event: &Event) -> u32 {
    let before = event.id.rsplit_once(":reply-").and_then(|(_, before)| before.parse::<u32>().ok()).unwrap_or(0);
    before.saturating_add(1)
}

fn counted(text: &str) {
    let segments = u64::from(segments(text));
    counter!("crosslens_message_segments_total").increment(segments);
    counter!("crosslens_message_cost_microdollars_total").increment(segments.saturating_mul(MICRODOLLARS));
}
