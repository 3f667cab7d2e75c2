//! What is made of an image and lies beside the originals: where, and how it goes with the image.

use crate::{
    error::Result,
    image::MediaType,
    pipeline::Pipeline,
    ports::{Erase, State},
    request::{ImageId, ObjectRef},
    upload::{DERIVED, inbox_key},
};

/// The endings that a blurred picture may have.
const ENDINGS: [&str; 6] = ["jpg", "png", "gif", "webp", "bmp", "tiff"];

/// The ending of files of this type.
pub const fn ending(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Jpeg => "jpg",
        MediaType::Png => "png",
        MediaType::Gif => "gif",
        MediaType::Webp => "webp",
        MediaType::Bmp => "bmp",
        MediaType::Tiff => "tiff",
    }
}

/// The blurred form of an image, in a file of this type.
pub fn blurred_key(id: &ImageId, media_type: MediaType) -> String {
    format!("{DERIVED}blurred/{id}.{}", ending(media_type))
}

/// What the picture under this key was made of, and why: beside it, with another ending.
pub fn provenance_key(key: &str) -> String {
    let stem = key.rsplit_once('.').map_or(key, |(stem, _ending)| stem);
    format!("{stem}.json")
}

/// A small blurred form, for reviewers.
pub fn preview_key(id: &ImageId) -> String {
    format!("{DERIVED}previews/{id}.jpg")
}

/// The JSON about an object.
pub fn sidecar_key(object: &ObjectRef) -> String {
    format!("{DERIVED}sidecars/{}.json", object.key)
}

impl Pipeline {
    /// Erases what is known of an image, what was put off of it, and what was made of it; says whether there was anything.
    pub async fn forget(&self, erase: &dyn Erase, id: &ImageId) -> Result<bool> {
        let source = match self.archive.state(id).await? {
            Some(State::Done(analysis)) => analysis.source,
            Some(State::Failed(failure)) => failure.source,
            Some(State::Pending) | None => None,
        };
        let known = erase.erase(id).await?;
        let rest = id.rest();
        // With what was put off, where something was.
        let known = erase.erase(&rest).await? || known;
        let preview = preview_key(id);
        let mut keys = vec![inbox_key(id), inbox_key(&rest), provenance_key(&preview), preview];
        keys.push(provenance_key(&blurred_key(id, MediaType::Jpeg)));
        keys.extend(ENDINGS.iter().map(|ending| format!("{DERIVED}blurred/{id}.{ending}")));
        keys.extend(source.as_deref().and_then(ObjectRef::of_source).map(|object| sidecar_key(&object)));
        for key in &keys {
            self.store.remove(key).await?;
        }
        Ok(known)
    }
}
