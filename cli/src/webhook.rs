//! Telling others by webhook: one processor for each target of the settings.

use std::{sync::Arc, time::Duration};

use common::{
    error::Result,
    source::{GuardedPost, SystemResolver},
};
use processors::{
    Processor,
    notify::{Notify, Post},
};

use crate::config::UpSettings;

/// The most that one delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One processor for each target.
pub(crate) fn notifiers(settings: &UpSettings) -> Result<Vec<Arc<dyn Processor>>> {
    let webhooks = &settings.webhooks;
    let post: Arc<dyn Post> = Arc::new(GuardedPost::new(webhooks.policy.clone(), PATIENCE, Arc::new(SystemResolver))?);
    let notify = |target| -> Arc<dyn Processor> { Arc::new(Notify::new(target, post.clone())) };
    Ok(webhooks.targets.iter().cloned().map(notify).collect())
}
