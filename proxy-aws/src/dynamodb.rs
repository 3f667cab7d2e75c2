//! The ledger on DynamoDB: one table, and every change under a condition. What lies in the table is in `rows`, how a request
//! ends in `records`; what processors make of it in `journal`, `reviews` and `phrases`; people's numbers and replies in
//! `messages`, what is remembered of faces in `faces`.
//!
//! An image costs three writes: the claim, one transaction with its outcome and its event, and the word that the event is
//! published. The event lies in the request's own row, so that the outbox is an index over a few rows and not a row more.
//!
//! The table has the keys `pk` and `sk` (text) and two sparse indexes that hold keys only: `outbox` (`outbox` text,
//! `recorded_ms` number) and `expiring` (`expiring` text, `ttl` number); `ttl` is its time to live. All events that wait
//! share one partition of the index `outbox`, which takes a thousand writes a second: two for each image.

mod archive;
mod change;
mod faces;
mod fault;
mod journal;
mod lists;
mod messages;
mod phrases;
mod records;
mod reviews;
mod rows;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    event::Event,
    ports::{Claim, Claimed, Ledger, Outcome},
    request::{ImageId, Query},
};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use change::{Change, TTL};
use rows::{Key, Row, number, text};
use table::{Table, Transacted, Written};

/// The one partition of the index of what is unpublished.
const OUTBOX: &str = "waiting";
/// How often a write is tried whose row was seen to change in between.
const ROUNDS: usize = 5;
const DAY: i64 = 24 * 60 * 60;
/// Seconds between the end of a row and its `ttl`: the sweep, which also erases what was derived, comes before DynamoDB does.
const GRACE: i64 = DAY;
/// A row whose time is over counts as none.
const FRESH: &str = "attribute_not_exists(#ttl) OR #ttl > :over";

/// Implements every port that remembers, except the index of labels. Clones share the client's connections.
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    table: Table,
    retention: Option<Duration>,
    objects: bool,
}

/// When a row may go.
#[derive(Debug, Clone)]
struct Ttl {
    /// Seconds since 1970, with the grace.
    seconds: i64,
    /// Its date in UTC.
    day: String,
}

impl DynamoLedger {
    /// A ledger in this table, which keeps everything until it is erased.
    pub fn new(client: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { table: Table { client, name: table }, retention: None, objects: false }
    }

    /// Keeps what is written from now on for this long after it was recorded. Where some requests on the same analysis were
    /// recorded without a retention, the analysis goes with the last that has one.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Remembers which requests are about which object of a bucket, for [`Self::objects`].
    #[must_use]
    pub fn with_object_index(mut self, wanted: bool) -> Self {
        self.objects = wanted;
        self
    }

    fn ttl(&self) -> Option<Ttl> {
        let retention = i64::try_from(self.retention?.as_secs()).unwrap_or(i64::MAX);
        let seconds = (now_ms() / 1000).saturating_add(retention).saturating_add(GRACE);
        Some(Ttl { seconds, day: day(seconds) })
    }

    /// Gives a row an end that has none, so that what is never recorded goes as well.
    fn stamped(&self, change: Change) -> Change {
        match self.ttl() {
            Some(ttl) => change.set_once(TTL, number(ttl.seconds)).set_once("expiring", text(ttl.day)),
            None => change,
        }
    }

    /// Gives a row that goes with its image an end of its own, for where nobody erases it.
    fn ending(&self, change: Change) -> Change {
        change.set_or_remove(TTL, self.ttl().map(|ttl| number(ttl.seconds)))
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn claim(&self, id: &ImageId, lease: Duration, wants_event: bool) -> Result<Claimed> {
        let token = Uuid::new_v4().to_string();
        let unsettled = if wants_event {
            "attribute_not_exists(event_told)"
        } else {
            "attribute_not_exists(ana_pk) AND attribute_not_exists(failure_json)"
        };
        for _ in 0..ROUNDS {
            let now = now_ms();
            let change = Change::of(Key::request(id))
                .set("claim_token", text(&token))
                .set("claim_ends_ms", number(now.saturating_add(ms(lease))))
                .only_if("attribute_not_exists(claim_ends_ms) OR claim_ends_ms <= :now")
                .with(":now", number(now))
                .only_if(unsettled)
                .only_if(FRESH)
                .with(":over", number(over_seconds()));
            let row = match self.table.write(&self.stamped(change)).await? {
                Written::Yes => return Ok(Claimed::Won(Claim { id: id.clone(), token })),
                Written::No(row) => row,
            };
            // The SDK has repeated a call whose answer was lost.
            if row.text("claim_token") == Some(&token) {
                return Ok(Claimed::Won(Claim { id: id.clone(), token }));
            }
            if is_over(&row) {
                self.forget_over(id, &row).await?;
                continue;
            }
            if row.has("event_told") || !wants_event && row.is_settled() {
                match self.outcome(id, &row).await? {
                    Some(Outcome::Done(analysis)) => return Ok(Claimed::Done(analysis)),
                    Some(Outcome::Failed(failure)) => return Ok(Claimed::Failed(failure)),
                    None => self.reopen(id, &row).await?,
                }
                continue;
            }
            let left = row.number("claim_ends_ms").unwrap_or_default().saturating_sub(now_ms());
            if let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) {
                return Ok(Claimed::Busy(Duration::from_millis(left)));
            }
        }
        Err(Error::new(Kind::Unavailable, "the request is being written; try again"))
    }

    async fn record(&self, claim: &Claim, query: &Query, outcome: Outcome, event: Option<&Event>) -> Result<()> {
        let recorded = self.conclude(claim, query, &outcome, event).await;
        // What does not fit will not fit next time: whoever gives the request up can have the claim.
        if let Err(error) = &recorded
            && error.is_permanent()
        {
            self.release(claim).await?;
        }
        recorded
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let held =
            Change::of(Key::request(&claim.id)).only_if("claim_token = :claim").with(":claim", text(&claim.token));
        let known = held
            .clone()
            .only_if("attribute_exists(accepted_json) OR attribute_exists(ana_pk) OR attribute_exists(failure_json)");
        let freed = known.remove(&["claim_token", "claim_ends_ms"]);
        let row = match self.table.write(&freed).await? {
            Written::Yes => return Ok(()),
            Written::No(row) => row,
        };
        if row.text("claim_token") != Some(&claim.token) {
            return Ok(());
        }
        // A claim alone leaves nothing behind. A promise that was made in this moment keeps the row, and the claim its end.
        let bare = held.only_if("attribute_not_exists(accepted_json)");
        match self.table.transact(vec![bare.delete_in_transaction(&self.table.name)?]).await? {
            Transacted::Yes | Transacted::No(_) => Ok(()),
            Transacted::Again(error) => Err(error),
        }
    }
}

impl DynamoLedger {
    /// Takes an analysis that is gone off its request, which can then be won again.
    async fn reopen(&self, id: &ImageId, row: &Row) -> Result<()> {
        let Some(gone) = row.analysis() else { return Ok(()) };
        let change = Change::of(Key::request(id))
            .remove(&["ana_pk", "ana_sk", "event_told"])
            .only_if("ana_pk = :pk AND ana_sk = :sk")
            .with(":pk", text(gone.pk))
            .with(":sk", text(gone.sk));
        self.table.write(&change).await.map(drop)
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Rows whose `ttl` is not after this have come to their end.
fn over_seconds() -> i64 {
    (now_ms() / 1000).saturating_add(GRACE)
}

fn is_over(row: &Row) -> bool {
    row.number("ttl").is_some_and(|ttl| ttl <= over_seconds())
}

/// The date in UTC of so many seconds since 1970.
fn day(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.to_zoned(TimeZone::UTC).date().to_string()
}
