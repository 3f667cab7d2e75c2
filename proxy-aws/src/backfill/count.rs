//! A first look: how many objects there are and how many of them would be sent. Nothing is sent.

use common::error::Result;

use super::{Counts, Known, Listing, Options, plan};

/// Counts everything that a listing tells, page by page, and tells `told` how far it is.
pub async fn count(
    listing: &mut dyn Listing,
    known: &dyn Known,
    options: &Options,
    mut told: impl FnMut(&Counts),
) -> Result<Counts> {
    let (mut counts, mut cursor) = (Counts::default(), None);
    loop {
        let page = listing.page(cursor.as_deref()).await?;
        let verdicts = plan::judge(&page.objects, options, known).await?;
        for (listed, verdict) in page.objects.iter().zip(verdicts) {
            counts.add(listed, verdict);
        }
        told(&counts);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(counts);
        }
    }
}
