//! Faces that people ask to be remembered: collections of them, what is found in a picture, and what is kept about whom for how
//! long. Whose service computes the vectors is an adapter's business; `gallery` is what everybody who asks goes through.

mod gallery;
mod patience;
mod who;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::message::{CollectionName, Owner, PersonName};

pub use gallery::{Agreed, Asked, Gallery};
pub use patience::patiently;
pub use who::{Entry, Who};

/// A collection. Its owner is a part of what it is called: nobody else can name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Collection {
    /// Who made it.
    pub owner: Owner,
    /// As its owner calls it.
    pub name: CollectionName,
}

/// The request that a vector comes from: 26 characters of `a-z` and `2-7`, the first 128 bits of a SHA-256. It stays with the
/// vector, so that a request that is worked on twice leaves one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl Mark {
    /// Of the request with this id.
    pub fn of(request_id: &str) -> Self {
        let bits = Sha256::digest(request_id.as_bytes());
        Self(BASE32_NOPAD.encode(bits.get(..16).unwrap_or_default()).to_lowercase())
    }

    /// The mark that stands with a vector; `None` where that is something else.
    pub fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 26 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        is_one.then(|| Self(text.to_owned()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A vector in a collection, as the service that keeps it tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFace {
    /// Whose face it is.
    pub person: PersonName,
    /// The request that it comes from.
    pub mark: Mark,
    /// What the service calls it.
    pub id: String,
}

/// Why there is nothing in a picture to remember or to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// There is no face.
    NoFace,
    /// The faces are too small.
    TooSmall,
    /// The faces are too dark, blurred, turned away or covered.
    Unclear,
}

impl Unfit {
    /// One sentence for people.
    pub const fn said(self) -> &'static str {
        match self {
            Unfit::NoFace => "the picture shows no face",
            Unfit::TooSmall => "the face on the picture is too small",
            Unfit::Unclear => "the face on the picture is too dark, too blurred, turned away or covered",
        }
    }
}

/// What became of a picture that was to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The most prominent face is kept.
    Yes {
        /// How many other faces the picture shows; none of them is kept.
        others: usize,
    },
    /// Nothing is kept.
    No(Unfit),
}

/// Whose face it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    /// The name that it was added under.
    pub person: PersonName,
    /// How alike the two faces are, 0 to 100.
    pub similarity: f32,
    /// How sure it is that what was added is a face, 0 to 100.
    pub confidence: f32,
}

/// What a picture was found to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The best match that is alike enough.
    Match(Likeness),
    /// A face that is in the collection under no name.
    Unknown,
    /// Nothing that could be compared.
    No(Unfit),
}

/// A public person whom a service knows by sight.
#[derive(Debug, Clone, PartialEq)]
pub struct Celebrity {
    /// The name.
    pub name: String,
    /// Pages about the person, with or without a scheme.
    pub links: Vec<String>,
}

/// What an encyclopaedia says under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biography {
    /// The entry's title.
    pub title: String,
    /// A few words, as in `American actor (born 1962)`.
    pub description: Option<String>,
    /// The beginning of the entry, without markup.
    pub summary: String,
    /// Where it can be read.
    pub source: String,
}

/// What is remembered of a vector: when it was added, so that it goes in time. No name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vector {
    /// Where it lies.
    pub collection: Collection,
    /// The request that it comes from.
    pub mark: Mark,
    /// When that was made.
    pub added_at: Timestamp,
}

/// Why vectors were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Their owner wanted a person forgotten.
    Forgotten,
    /// Their owner deleted the collection.
    CollectionDeleted,
    /// Their time was over.
    Retention,
}

/// A line of the audit log: that vectors were deleted for good. No name and no number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// When.
    pub at: Timestamp,
    /// Whose they were.
    pub owner: Owner,
    /// How many.
    pub vectors: usize,
    /// Why.
    pub reason: Reason,
}

/// What was found when a request was first worked on: whoever works on it again goes by that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Note {
    /// Whether the collection that was to be made was there already.
    Existed(bool),
    /// What is deleted.
    Erased(Erasure),
}
