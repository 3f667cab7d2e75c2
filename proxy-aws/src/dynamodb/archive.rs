//! Looking analyses and promises up, keeping promises, and erasing.

use async_trait::async_trait;
use common::{
    analysis::{Analysis, DetectorId, Features},
    error::{Error, Kind, Result},
    image::Digest,
    ports::{Archive, Erase, Inbox, Outcome, State},
    request::{Accepted, ImageId},
};

use super::{
    DynamoLedger, FRESH, ROUNDS,
    change::Change,
    is_over, over_seconds,
    rows::{Key, Row, number, packed, text},
    table::{Asked, Written},
};

#[async_trait]
impl Archive for DynamoLedger {
    async fn reusable(
        &self,
        digest: Digest,
        features: &Features,
        detector: Option<&DetectorId>,
    ) -> Result<Option<Analysis>> {
        let rows = match detector {
            Some(detector) => self.table.get(&Key::analysis(digest, features, detector)).await?.into_iter().collect(),
            None => {
                let values = [(":pk".to_owned(), text(Key::analyses(digest, features)))].into();
                self.table.query(Asked { condition: "pk = :pk", values, ..Asked::default() }).await?
            }
        };
        let standing = rows.into_iter().filter(|row| !is_over(row));
        let Some(newest) = standing.max_by_key(|row| row.number("recorded_ms")) else { return Ok(None) };
        let Some(kept) = newest.unpacked::<Analysis>("body_json")? else { return Ok(None) };
        // The id of a request that still stands on it: that of the first may have been erased.
        let id = newest.text("ana_holder").map(str::parse).transpose()?.unwrap_or_else(|| kept.id.clone());
        Ok(Some(Analysis { id, ..kept }))
    }

    async fn state(&self, id: &ImageId) -> Result<Option<State>> {
        let Some(row) = self.standing(id).await? else { return Ok(None) };
        Ok(match self.outcome(id, &row).await? {
            Some(Outcome::Done(analysis)) => Some(State::Done(analysis)),
            Some(Outcome::Failed(failure)) => Some(State::Failed(failure)),
            None => row.has("accepted_json").then_some(State::Pending),
        })
    }
}

#[async_trait]
impl Inbox for DynamoLedger {
    async fn accept(&self, accepted: &Accepted) -> Result<()> {
        let promise = packed(accepted)?;
        for _ in 0..ROUNDS {
            let change = Change::of(Key::request(&accepted.id))
                .set("accepted_json", promise.clone())
                .only_if("attribute_not_exists(accepted_json)")
                .only_if(FRESH)
                .with(":over", number(over_seconds()));
            match self.table.write(&self.stamped(change)).await? {
                Written::No(row) if is_over(&row) => self.forget_over(&accepted.id, &row).await?,
                Written::Yes | Written::No(_) => return Ok(()),
            }
        }
        Err(Error::new(Kind::Unavailable, "the request is being written; try again"))
    }

    async fn accepted(&self, id: &ImageId) -> Result<Option<Accepted>> {
        let row = self.standing(id).await?;
        Ok(row.map(|row| row.unpacked("accepted_json")).transpose()?.flatten())
    }
}

#[async_trait]
impl Erase for DynamoLedger {
    async fn erase(&self, id: &ImageId) -> Result<bool> {
        self.forget(id, None).await
    }
}

impl DynamoLedger {
    /// The request's row, unless its time is over.
    async fn standing(&self, id: &ImageId) -> Result<Option<Row>> {
        Ok(self.table.get(&Key::request(id)).await?.filter(|row| !is_over(row)))
    }

    /// Erases a request whose time is over, so that it can begin anew.
    pub(super) async fn forget_over(&self, id: &ImageId, row: &Row) -> Result<()> {
        self.forget(id, row.number("ttl")).await.map(drop)
    }
}
