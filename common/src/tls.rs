//! TLS for the clients of a process. Reading the machine's root certificates takes longer than everything else that a start
//! does, so it is done once for all of them.

use std::sync::{Mutex, PoisonError};

use rustls::{ClientConfig, client::Resumption};
use rustls_platform_verifier::ConfigVerifierExt as _;

use crate::error::{Result, internal};

/// Begins to read the root certificates on a thread of its own, for a process that has other things to do until it needs them.
pub fn read_ahead() {
    std::thread::spawn(for_client);
}

/// For one client, with sessions of its own; an error where the root certificates cannot be read.
pub fn for_client() -> Result<ClientConfig> {
    static SHARED: Mutex<Option<ClientConfig>> = Mutex::new(None);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let config = match &*shared {
        Some(config) => config,
        None => {
            crate::http::use_ring();
            let mut config = ClientConfig::with_platform_verifier().map_err(internal)?;
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            shared.insert(config)
        }
    };
    let mut own = config.clone();
    own.resumption = Resumption::default();
    Ok(own)
}
