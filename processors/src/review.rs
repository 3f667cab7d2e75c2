//! A person's decisions about images, in place of the policy's: each is an event, a line in the audit log, and undone by the
//! next one.

use std::sync::Arc;

use common::{
    error::{Error, Kind, Result},
    event::Event,
    moderation::{AuditLine, Moderation, Verdict},
    ports::{Dossiers, Journal, Outbox, Publish, Reviews, Settled, Settlement},
    request::{Cloud, ImageId},
    tell::tell,
};
use jiff::Timestamp;

/// The most lines of one image's log that are counted.
const LINES: usize = 10_000;
/// Characters of a reviewer's name and of a reason.
const WORDS: usize = 500;

/// Takes decisions down.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Reviewing {
    pub cloud: Cloud,
    pub journal: Arc<dyn Journal>,
    pub dossiers: Arc<dyn Dossiers>,
    pub reviews: Arc<dyn Reviews>,
    pub outbox: Arc<dyn Outbox>,
    /// `None` where a deployment's sweep tells what was decided.
    pub publish: Option<Arc<dyn Publish>>,
}

impl Reviewing {
    /// Decides about an image that moderation knows; durable when this returns. What follows from it (tags, the original back
    /// in its place) is done by those who consume `image_moderated`.
    ///
    /// # Errors
    /// `not-found` where moderation knows nothing of the image, `invalid-request` for words that are missing or too long,
    /// `unavailable` where somebody else decided in the same moment.
    pub async fn decide(&self, id: &ImageId, verdict: Verdict, reviewer: &str, reason: &str) -> Result<Moderation> {
        check("a reviewer's name", reviewer)?;
        check("a reason", reason)?;
        let nothing = || Error::new(Kind::NotFound, "moderation knows nothing of this image");
        let known = self.dossiers.dossier(id).await?.moderation.ok_or_else(nothing)?;
        let moderation = Moderation {
            verdict,
            rule: None,
            shadow: None,
            decided_by: Some(reviewer.trim().to_owned()),
            reason: Some(reason.trim().to_owned()),
            ..known
        };
        let number = self.reviews.audit(id, LINES).await?.len().saturating_add(1);
        let event = Event::moderated(self.cloud, &moderation, Some(&number.to_string()), None);
        let audit = vec![AuditLine::of(&moderation, Timestamp::now())];
        let settlement = Settlement { events: vec![event.clone()], audit, review: None };
        match (self.journal.settle("review", &event.id, id, &settlement).await?, &self.publish) {
            (Settled::Before, _) => {
                return Err(Error::new(Kind::Unavailable, "somebody else has decided in this moment; look again"));
            }
            (Settled::Recorded, Some(publish)) => {
                tell(publish.as_ref(), self.outbox.as_ref(), &settlement.events).await;
            }
            (Settled::Recorded, None) | (Settled::Told, _) => {}
        }
        Ok(moderation)
    }
}

fn check(what: &str, words: &str) -> Result<()> {
    let is_fine = !words.trim().is_empty() && words.chars().count() <= WORDS && !words.chars().any(char::is_control);
    if is_fine {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidRequest, format!("{what} is 1 to {WORDS} characters on one line")))
}
