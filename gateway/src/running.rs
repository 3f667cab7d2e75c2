//! The configuration in use, and how another one takes its place: whole or not at all, while requests go on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use common::error::Result;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::{
    config::{Config, Origin},
    fleet::Fleet,
    keys::Keys,
    tls::Certificate,
};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A configuration, and what is made of it.
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) fleet: Fleet,
    pub(crate) keys: Keys,
    /// Some cloud wants bodies whole, to sign them.
    pub(crate) needs_bodies: bool,
}

impl Running {
    pub(crate) fn new(config: Config, origin: &Origin, before: Option<&Running>) -> Result<Self> {
        let fleet = Fleet::new(&config, &origin.environment, before.map(|before| &before.fleet))?;
        let keys = Keys::new(&config, before.map(|before| &before.keys));
        let needs_bodies = fleet.clouds.iter().any(|cloud| cloud.identity.as_ref().is_some_and(|one| one.needs_body()));
        Ok(Self { config, fleet, keys, needs_bodies })
    }
}

/// Takes configurations in.
pub(crate) struct Reload {
    pub(crate) origin: Origin,
    pub(crate) running: Arc<ArcSwap<Running>>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    one_at_a_time: Mutex<()>,
}

impl Reload {
    pub(crate) fn new(origin: Origin, running: Arc<ArcSwap<Running>>, certificate: Option<Arc<Certificate>>) -> Self {
        Self { origin, running, certificate, one_at_a_time: Mutex::default() }
    }

    /// Reads the file again. One that is wrong changes nothing.
    pub(crate) fn load(&self) -> Result<()> {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.running.load_full();
        let next = Running::new(self.origin.load()?, &self.origin, Some(&before))?;
        if let (Some(certificate), Some(tls)) = (&self.certificate, &next.config.tls) {
            certificate.read(tls)?;
        }
        let fixed =
            |running: &Running| (running.config.front.listen, running.config.front.admin, running.config.tls.is_some());
        if fixed(&before) != fixed(&next) {
            warn!("listen, admin, and whether there is TLS, change with a restart");
        }
        self.running.store(Arc::new(next));
        info!("the configuration is loaded");
        Ok(())
    }

    /// Reads the file whenever it has changed, and at SIGHUP, until the process ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut known = self.changed();
        #[cfg(unix)]
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        loop {
            #[cfg(unix)]
            let asked = async {
                match &mut hangup {
                    Some(hangup) => drop(hangup.recv().await),
                    None => std::future::pending().await,
                }
            };
            #[cfg(not(unix))]
            let asked = std::future::pending::<()>();
            let asked = tokio::select! {
                () = asked => true,
                () = sleep(LOOK) => false,
            };
            let changed = self.changed();
            if asked || (changed.is_some() && changed != known) {
                known = changed;
                if let Err(wrong) = self.load() {
                    error!("the configuration is refused, the one before stays: {}", wrong.message());
                }
            }
        }
    }

    fn changed(&self) -> Option<(SystemTime, u64)> {
        let about = std::fs::metadata(&self.origin.file).ok()?;
        Some((about.modified().ok()?, about.len()))
    }
}
