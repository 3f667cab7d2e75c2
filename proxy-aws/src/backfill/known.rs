//! The ledger as what a backfill asks for outcomes.

use std::collections::HashSet;

use async_trait::async_trait;
use common::{error::Result, request::ImageId};

use super::Known;
use crate::dynamodb::DynamoLedger;

#[async_trait]
impl Known for DynamoLedger {
    async fn recorded(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>> {
        DynamoLedger::recorded(self, ids).await
    }
}
