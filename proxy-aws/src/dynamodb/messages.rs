//! What is remembered about people's numbers and about replies: a row for the number, one for each of its days, one for each reply
//! and one for each of the carrier's names.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result},
    message::Owner,
    ports::{Begun, Ended, Numbers, Replies, Standing},
};
use jiff::{Timestamp, civil::Date};

use super::{
    DAY, DynamoLedger,
    change::{Change, TTL},
    ms, now_ms,
    rows::{Key, Row, number, packed, text},
    table::{Transacted, Written, first_at_once, waited},
};

/// How long replies and days are remembered, in days: longer than a message can live in a queue and, after that, among the dead
/// letters.
const REMEMBERED: i64 = 30;

#[async_trait]
impl Numbers for DynamoLedger {
    async fn standing(&self, owner: &Owner, day: Date) -> Result<Standing> {
        let (number, of_day) = (Key::number(owner), Key::number_day(owner, day));
        let rows = self.table.get_many(&[number.clone(), of_day.clone()], None).await?;
        let find = |key: &Key| rows.iter().find(|row| row.text("sk") == Some(&key.sk));
        let number = find(&number);
        Ok(Standing {
            stopped: number.is_some_and(|row| row.has("stopped_ms")),
            today: sent_on(find(&of_day)),
            rest: number.map(|row| row.unpacked("rest_json")).transpose()?.flatten(),
        })
    }

    async fn stop(&self, owner: &Owner, stopped: bool) -> Result<()> {
        let since = stopped.then(|| number(now_ms()));
        self.table.write(&Change::of(Key::number(owner)).set_or_remove("stopped_ms", since)).await?;
        Ok(())
    }

    async fn count(&self, owner: &Owner, day: Date) -> Result<()> {
        let counted = Change::of(Key::number_day(owner, day)).add("messages_sent", number(1));
        self.table.write(&remembered(counted)).await?;
        Ok(())
    }
}

#[async_trait]
impl Replies for DynamoLedger {
    async fn begin(&self, reply: &str, owner: &Owner, day: Date, cap: u32, lease: Duration) -> Result<Begun> {
        for pause in first_at_once() {
            waited(pause).await;
            let known = self.table.get(&Key::reply(reply)).await?;
            if let Some(settled) = known.as_ref().and_then(settled) {
                return Ok(settled);
            }
            let standing = self.standing(owner, day).await?;
            if standing.stopped {
                return Ok(Begun::Stopped);
            }
            let now = now_ms();
            let begun = remembered(Change::of(Key::reply(reply)))
                .set_once("since_ms", number(now))
                .set("until_ms", number(now.saturating_add(ms(lease))));
            match known {
                None if standing.today >= cap => return Ok(Begun::Capped),
                None => {
                    let counted = remembered(Change::of(Key::number_day(owner, day)))
                        .add("messages_sent", number(1))
                        .only_if("attribute_not_exists(messages_sent) OR messages_sent < :cap")
                        .with(":cap", number(i64::from(cap)));
                    let writes = vec![
                        begun.only_if("attribute_not_exists(pk)").in_transaction(&self.table.name)?,
                        counted.in_transaction(&self.table.name)?,
                    ];
                    if matches!(self.table.transact(writes).await?, Transacted::Yes) {
                        return Ok(Begun::First);
                    }
                }
                Some(known) => {
                    let begun = begun
                        .only_if("attribute_not_exists(sent_as)")
                        .only_if("until_ms <= :now")
                        .with(":now", number(now));
                    if matches!(self.table.write(&begun).await?, Written::Yes) {
                        let since = known.number("since_ms").and_then(|since| Timestamp::from_millisecond(since).ok());
                        return Ok(since.map_or(Begun::First, Begun::Again));
                    }
                }
            }
        }
        Err(busy())
    }

    async fn end(&self, reply: &str, owner: &Owner, ended: &Ended) -> Result<()> {
        let reply = remembered(Change::of(Key::reply(reply)));
        let (receipt, rest) = match ended {
            Ended::Unsent => {
                self.table.write(&reply.set("until_ms", number(0)).remove(&["since_ms"])).await?;
                return Ok(());
            }
            Ended::Unclear => {
                self.table.write(&reply.set("until_ms", number(0))).await?;
                return Ok(());
            }
            Ended::Sent { receipt, rest } => (receipt, rest),
        };
        let known = remembered(Change::of(Key::receipt(receipt))).set("known_ms", number(now_ms()));
        let mut changes = vec![reply.set("sent_as", text(receipt)), known];
        if let Some(rest) = rest {
            let rest = rest.as_ref().map(packed).transpose()?;
            changes.push(Change::of(Key::number(owner)).set_or_remove("rest_json", rest));
        }
        for pause in first_at_once() {
            waited(pause).await;
            let writes = changes.iter().map(|change| change.clone().in_transaction(&self.table.name));
            if matches!(self.table.transact(writes.collect::<Result<_>>()?).await?, Transacted::Yes) {
                return Ok(());
            }
        }
        Err(busy())
    }

    async fn is_receipt(&self, receipt: &str) -> Result<bool> {
        Ok(self.table.get(&Key::receipt(receipt)).await?.is_some())
    }
}

/// What the row of a reply says already.
fn settled(row: &Row) -> Option<Begun> {
    if row.has("sent_as") {
        return Some(Begun::Sent);
    }
    let left = row.number("until_ms").unwrap_or_default().saturating_sub(now_ms());
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(Begun::Busy(Duration::from_millis(left)))
}

fn sent_on(row: Option<&Row>) -> u32 {
    row.and_then(|row| row.number("messages_sent")).and_then(|sent| u32::try_from(sent).ok()).unwrap_or_default()
}

fn remembered(change: Change) -> Change {
    change.set(TTL, number((now_ms() / 1000).saturating_add(REMEMBERED * DAY)))
}

fn busy() -> Error {
    Error::new(Kind::Unavailable, "what is known of the number is being written; try again")
}
