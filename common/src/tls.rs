//! TLS for the clients of a process. Reading the machine's root certificates takes longer than everything else that a start
//! does, so it is done once for all of them.

use std::sync::OnceLock;

use rustls::{ClientConfig, client::Resumption};
use rustls_platform_verifier::ConfigVerifierExt as _;

use crate::error::{Result, internal};

/// For one client, with sessions of its own; an error where the root certificates cannot be read.
pub fn for_client() -> Result<ClientConfig> {
    static SHARED: OnceLock<ClientConfig> = OnceLock::new();
    let shared = match SHARED.get() {
        Some(shared) => shared,
        None => {
            crate::http::use_ring();
            let mut config = ClientConfig::with_platform_verifier().map_err(internal)?;
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            SHARED.get_or_init(|| config)
        }
    };
    let mut own = shared.clone();
    own.resumption = Resumption::default();
    Ok(own)
}
