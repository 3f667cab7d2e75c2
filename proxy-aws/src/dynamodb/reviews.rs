//! The review list, the oldest first, and the audit log, the newest first.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    error::Result,
    moderation::{AuditLine, ReviewItem},
    ports::Reviews,
    request::ImageId,
};
use jiff::Timestamp;

use super::{
    DynamoLedger, is_over,
    rows::{AUDIT, Key, REVIEW, text},
    table::Asked,
};

#[async_trait]
impl Reviews for DynamoLedger {
    async fn waiting(&self, limit: usize) -> Result<Vec<ReviewItem>> {
        let values = [(":pk".to_owned(), text(REVIEW))].into();
        let asked = Asked { condition: "pk = :pk", values, limit: Some(limit), ..Asked::default() };
        let rows = self.table.query(asked).await?;
        let standing = rows.iter().filter(|row| !is_over(row));
        standing.filter_map(|row| row.unpacked("item_json").transpose()).collect()
    }

    async fn audit(&self, id: &ImageId, limit: usize) -> Result<Vec<AuditLine>> {
        let values = [(":pk".to_owned(), text(Key::image(id.as_str()))), (":begin".to_owned(), text(AUDIT))].into();
        let condition = "pk = :pk AND begins_with(sk, :begin)";
        let asked = Asked { condition, values, limit: Some(limit), last_first: true, ..Asked::default() };
        self.table.query(asked).await?.iter().filter_map(|row| row.unpacked("line_json").transpose()).collect()
    }
}

impl DynamoLedger {
    /// How long the oldest image has been waiting for a person; `None` where none waits.
    pub async fn review_age(&self) -> Result<Option<Duration>> {
        let oldest = self.waiting(1).await?.pop();
        Ok(oldest.map(|item| Timestamp::now().duration_since(item.since).try_into().unwrap_or_default()))
    }
}
