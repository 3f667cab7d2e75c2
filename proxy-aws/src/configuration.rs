//! The operator's files (policy, glossary, targets of webhooks) in a bucket of their own, where nobody's uploads go: read when they
//! are first asked for, and looked at again once a minute at the most.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_s3::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata as _},
};
use common::error::{Error, Kind, Result};
use tokio::{sync::Mutex, time::Instant};
use tracing::warn;

/// How long a file is taken for unchanged.
const AGAIN: Duration = Duration::from_secs(60);
/// The most bytes of a file.
const MOST: i64 = 1024 * 1024;

/// The policy in force.
pub const POLICY: &str = "policy.toml";
/// A policy on trial.
pub const SHADOW: &str = "shadow.toml";
/// The operator's own translations.
pub const GLOSSARY: &str = "glossary.toml";
/// Whom to tell.
pub const WEBHOOKS: &str = "webhooks.toml";

/// The configuration bucket. Clones share what was read.
#[derive(Debug, Clone)]
pub struct Configuration {
    client: Client,
    bucket: String,
    again: Duration,
    files: Arc<Mutex<HashMap<String, File>>>,
}

/// A file as it was when it was last looked at.
#[derive(Debug, Clone)]
struct File {
    /// `None` where there is no such file.
    text: Option<String>,
    etag: Option<String>,
    looked: Instant,
}

impl Configuration {
    /// The files in this bucket.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket, again: AGAIN, files: Arc::default() }
    }

    /// Looks again after this long.
    #[must_use]
    pub fn looking_again_after(mut self, again: Duration) -> Self {
        self.again = again;
        self
    }

    /// The file's text; `None` where there is none. What was read once stays while the file cannot be read, and the log says so.
    ///
    /// # Errors
    /// `unavailable` where the file was never read and cannot be read now, or is no text of at most 1 MB.
    pub async fn read(&self, key: &str) -> Result<Option<String>> {
        // One who looks is enough: the others wait for what is found.
        let mut files = self.files.lock().await;
        let known = files.get(key).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.looked.elapsed() < self.again) {
            return Ok(known.text.clone());
        }
        let looked = Instant::now();
        let file = match (self.look(key, known.as_ref()).await, known) {
            (Ok(file), _) => file,
            (Err(error), None) => return Err(error),
            (Err(error), Some(known)) => {
                warn!(file = key, %error, cause = error.causes(), "a file of the configuration cannot be read; the last text stays");
                File { looked, ..known }
            }
        };
        let text = file.text.clone();
        files.insert(key.to_owned(), file);
        Ok(text)
    }

    async fn look(&self, key: &str, known: Option<&File>) -> Result<File> {
        let looked = Instant::now();
        let etag = known.and_then(|known| known.etag.clone());
        let call = self.client.get_object().bucket(&self.bucket).key(key).set_if_none_match(etag);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default();
                return match (code, status, known) {
                    (_, Some(304), Some(known)) => Ok(File { looked, ..known.clone() }),
                    ("NoSuchKey", ..) => Ok(File { text: None, etag: None, looked }),
                    _ => Err(unreadable(key).because(DisplayErrorContext(&error).to_string())),
                };
            }
        };
        if answer.content_length().is_none_or(|bytes| bytes > MOST) {
            return Err(unreadable(key).because(format!("it has more than {MOST} bytes")));
        }
        let etag = answer.e_tag().map(ToOwned::to_owned);
        let bytes = answer.body.collect().await.map_err(|cause| unreadable(key).because(cause))?.to_vec();
        let text = String::from_utf8(bytes).map_err(|cause| unreadable(key).because(cause))?;
        Ok(File { text: Some(text), etag, looked })
    }
}

fn unreadable(key: &str) -> Error {
    Error::new(Kind::Unavailable, format!("{key} in the configuration bucket cannot be read"))
}
