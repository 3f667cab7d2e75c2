//! Messages in `up`: through Twilio where an account is set; otherwise on this machine only, for `crosslens message`.

mod door;
mod kept;
mod pictures;

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use common::{error::Result, request::Cloud};
use processors::{
    Processor,
    messages::{self, Carrier, Dispatch, Door, Labels, Twilio},
};

use crate::{compose::Composed, config::UpSettings};

pub(crate) use door::Front;
pub(crate) use kept::{Kept, SENT, SentMessage};
pub(crate) use pictures::picture_key;

/// The webhook; on this machine alone with the place that pictures are handed in at.
pub(crate) fn routes(settings: &UpSettings, composed: &Composed, address: SocketAddr) -> Result<Router> {
    let ledger = Arc::new(composed.local.ledger.clone());
    let door = Door {
        cloud: Cloud::Local,
        numbers: ledger.clone(),
        journal: Arc::new(composed.local.journal()),
        outbox: ledger,
        publish: Arc::new(composed.local.topics.clone()),
        limits: settings.messages.limits,
    };
    let data = &settings.common.data;
    if let Some(verifier) = &settings.messages.verifier {
        Front::close(data)?;
        return Ok(messages::routes(verifier.clone(), door));
    }
    pictures::sweep(data);
    let front = Front::open(data, address)?;
    let pictures = pictures::routes(&front, composed.local.bucket.clone(), settings.common.limits.max_bytes)?;
    Ok(messages::routes(front.verifier(messages::LOCAL_URL)?, door).merge(pictures))
}

/// What answers, and what sends the answers.
pub(crate) fn processors(settings: &UpSettings, composed: &Composed) -> Result<Vec<Arc<dyn Processor>>> {
    let carrier: Arc<dyn Carrier> = match &settings.messages.account {
        Some(account) => Arc::new(Twilio::new(account.clone())?),
        None => Arc::new(Kept(composed.local.topics.clone())),
    };
    let ledger = Arc::new(composed.local.ledger.clone());
    let dispatch = Dispatch::new(carrier, ledger.clone(), ledger, settings.messages.limits);
    let dispatch = dispatch.settling(settings.messages.settles);
    Ok(vec![Arc::new(Labels::new(composed.pipeline.clone())), Arc::new(dispatch)])
}
