//! Who a matched person is, as far as that can be said: a name that an encyclopaedia knows is not yet the person on the picture.

use tracing::warn;

use super::{Biography, Celebrity, Gallery};
use crate::{
    error::{Error, Result},
    image::Image,
    message::PersonName,
};

/// What an encyclopaedia says under a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// It has one entry about it.
    There(Biography),
    /// It has none, or several.
    Missing,
    /// It could not be asked.
    Unknown,
}

/// What is known about whoever bears a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Who {
    /// The name, as people write it.
    pub name: String,
    /// The public person of this name, where a service recognises that person on the picture; only then is the entry about the
    /// one on the picture.
    pub celebrity: Option<Celebrity>,
    /// The entry under this name.
    pub entry: Entry,
}

impl Gallery {
    /// Who the person of this name on this picture is; `None` where nothing is to be looked up here. A failure of whoever is asked
    /// is no failure of the match.
    pub async fn who(&self, image: &Image, person: &PersonName) -> Option<Who> {
        let biographies = self.biographies.as_ref()?;
        let name = person.spoken();
        let (celebrities, entry) = tokio::join!(self.portraits.celebrities(image), biographies.about(&name));
        let celebrities = or_nothing(celebrities, "cannot ask who on a picture is a public person").unwrap_or_default();
        let celebrity = celebrities.into_iter().find(|one| one.name.to_lowercase() == name.to_lowercase());
        let entry = match or_nothing(entry, "cannot look up who somebody is") {
            Some(Some(biography)) => Entry::There(biography),
            Some(None) => Entry::Missing,
            None => Entry::Unknown,
        };
        Some(Who { name, celebrity, entry })
    }
}

/// Without the cause, which may hold the name.
fn or_nothing<T>(asked: Result<T>, what: &'static str) -> Option<T> {
    let log = |error: &Error| warn!(problem = error.kind().slug(), "{what}");
    asked.inspect_err(log).ok()
}
