//! The key to the front door of an `up` without an account: made at each start, and kept where this user alone can read it.

use std::{fs, io::Write as _, net::SocketAddr, path::Path};

use common::error::{Error, Kind, Result, internal};
use processors::messages::{AuthToken, Verifier};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FILE: &str = "messages.json";

/// Where the door is and what opens it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Front {
    /// `http://HOST:PORT`.
    pub(crate) url: String,
    token: String,
}

impl Front {
    /// Makes a new key for the listener at this address, and writes it down.
    pub(super) fn open(data: &Path, address: SocketAddr) -> Result<Self> {
        let host = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            ip if ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
            _ => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let url = format!("http://{}", SocketAddr::new(host, address.port()));
        let front = Self { url, token: Uuid::new_v4().simple().to_string() };
        let path = data.join(FILE);
        let written = || -> std::io::Result<()> {
            // Removed first, so that the mode is that of a new file.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = fs::File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path)?.write_all(&serde_json::to_vec(&front)?)
        };
        written().map_err(|cause| Error::new(Kind::Unavailable, "the data folder cannot be written").because(cause))?;
        Ok(front)
    }

    /// There is no door for this machine alone.
    pub(super) fn close(data: &Path) -> Result<()> {
        match fs::remove_file(data.join(FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(internal(error)),
            _ => Ok(()),
        }
    }

    /// The door of the `up` that works on this data folder.
    pub(crate) fn find(data: &Path) -> Result<Self> {
        let message = "no `crosslens up` takes messages on this data folder; start one, or name its folder with --data \
                       (one that has a Twilio account takes them from Twilio only)";
        let missing = |cause: std::io::Error| Error::new(Kind::NotFound, message).because(cause);
        let text = fs::read(data.join(FILE)).map_err(missing)?;
        serde_json::from_slice(&text).map_err(internal)
    }

    /// What opens it.
    pub(crate) fn token(&self) -> Result<AuthToken> {
        AuthToken::new(self.token.as_str()).ok_or_else(|| internal("the key is empty"))
    }

    /// Checks what is signed with the key for this URL.
    pub(super) fn verifier(&self, url: &str) -> Result<Verifier> {
        Ok(Verifier::new(self.token()?, url.parse().map_err(internal)?))
    }
}
