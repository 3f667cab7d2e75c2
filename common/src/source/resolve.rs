//! Names to addresses.

use std::{io, net::IpAddr};

use async_trait::async_trait;

/// Looks a host name up.
///
/// # Behavior
/// - Returns every address of the name, of both families.
/// - No address is an error.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Name to addresses.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses: Vec<IpAddr> = tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }
}
