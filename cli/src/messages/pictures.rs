//! Pictures of messages on this machine: handed in by `crosslens message`, signed as everything at this door, and opened under a URL
//! that leads nowhere else.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::put,
};
use common::{
    error::{Error, Kind, Result},
    image::Digest,
    ports::Store,
    source::SourceUrl,
    upload::DERIVED,
};
use local::DirectoryBucket;
use processors::messages::{LOCAL_URL, Verifier, taken};
use serde_json::{Value, json};

use super::Front;

/// How long they are kept: until no request can come back any more.
const KEPT: Duration = Duration::from_hours(24);

#[derive(Clone)]
struct Pictures {
    verifier: Arc<Verifier>,
    bucket: DirectoryBucket,
    max_bytes: usize,
}

/// `PUT /messages/pictures?bodySHA256=…`: the body is a picture of this many bytes at the most.
pub(super) fn routes(front: &Front, bucket: DirectoryBucket, max_bytes: usize) -> Result<Router> {
    let verifier = Arc::new(front.verifier(&format!("{LOCAL_URL}/pictures"))?);
    Ok(Router::new().route("/messages/pictures", put(take)).with_state(Pictures { verifier, bucket, max_bytes }))
}

async fn take(State(pictures): State<Pictures>, request: Request) -> Result<Json<Value>> {
    let body = taken(&pictures.verifier, request, pictures.max_bytes).await?.body;
    if body.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the picture is empty"));
    }
    let name = Digest::of(&body).hex();
    pictures.bucket.put(&key(&name), body).await?;
    Ok(Json(json!({ "url": format!("{LOCAL_URL}/pictures/{name}") })))
}

fn key(name: &str) -> String {
    format!("{DERIVED}messages/{name}")
}

/// The key and the entity tag of the picture that a URL of ours names.
pub(crate) fn picture_key(url: &SourceUrl) -> Option<(String, String)> {
    let shown = url.shown();
    let name = shown.strip_prefix(LOCAL_URL)?.strip_prefix("/pictures/")?;
    let digits = name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| (key(name), name.get(..32).unwrap_or_default().to_owned()))
}

/// Takes those away that are old. What cannot be looked at stays.
pub(super) fn sweep(data: &Path) {
    let folder = data.join("bucket").join(DERIVED).join("messages");
    let old = |entry: &std::fs::DirEntry| {
        let at = entry.metadata().ok()?.modified().ok()?;
        let age = SystemTime::now().duration_since(at).ok()?;
        (age > KEPT).then(|| entry.path())
    };
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| old(&entry)) {
        let _ = std::fs::remove_file(path);
    }
}
