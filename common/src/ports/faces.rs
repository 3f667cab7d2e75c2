//! What remembering faces needs from the outside: a service that keeps vectors, and a memory of who agreed, what was added when, and
//! what was deleted.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    error::Result,
    faces::{Added, Biography, Celebrity, Collection, Erasure, Found, KeptFace, Mark, Note, Unfit, Vector},
    image::Image,
    message::{CollectionName, Owner, PersonName},
};

/// Collections of faces.
///
/// # Behavior
/// - A collection is found by its owner and its name only; nobody sees another one's.
/// - Deleting a collection deletes what is in it, for good.
#[async_trait]
pub trait Collections: Send + Sync {
    /// Makes an empty one; `false` where it is there already.
    async fn create(&self, collection: &Collection) -> Result<bool>;

    /// The names of all that this owner has, sorted.
    async fn of(&self, owner: &Owner) -> Result<Vec<CollectionName>>;

    /// Deletes one; `false` where there is none.
    async fn delete(&self, collection: &Collection) -> Result<bool>;
}

/// Faces in a collection.
///
/// # Behavior
/// - A collection that is not there is `not-found`, permanent.
/// - `add` keeps one face at the most, the most prominent one.
/// - `find` gives the best match that is at least 85 % alike.
/// - `add` may have had its effect although it failed: [`Faces::kept`] tells.
#[async_trait]
pub trait Faces: Send + Sync {
    /// Keeps the face on a picture under a name.
    async fn add(&self, collection: &Collection, image: &Image, person: &PersonName, mark: &Mark) -> Result<Added>;

    /// Whose face is on a picture.
    async fn find(&self, collection: &Collection, image: &Image) -> Result<Found>;

    /// All that is in the collection.
    async fn kept(&self, collection: &Collection) -> Result<Vec<KeptFace>>;

    /// Deletes these for good; what is gone already is no error.
    async fn remove(&self, collection: &Collection, faces: &[KeptFace]) -> Result<()>;
}

/// What a picture shows of people, whatever is in any collection.
#[async_trait]
pub trait Portraits: Send + Sync {
    /// Why no face on it can be used; `None` where one can.
    async fn unfit(&self, image: &Image) -> Result<Option<Unfit>>;

    /// The public people on it.
    async fn celebrities(&self, image: &Image) -> Result<Vec<Celebrity>>;
}

/// Who a public person is.
///
/// # Behavior
/// - An entry that is about several people or things is none.
#[async_trait]
pub trait Biographies: Send + Sync {
    /// The entry under this name; `None` where there is none.
    async fn about(&self, name: &str) -> Result<Option<Biography>>;
}

/// The answer to who begins to add a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adding {
    /// Nobody has tried.
    First,
    /// Somebody has tried and did not say how it ended.
    Again,
    /// It is there.
    Kept,
    /// Somebody is at it, for this long at the most.
    Busy(Duration),
}

/// Which vectors there are, since when, and who is adding one.
///
/// # Behavior
/// - Of any number of concurrent `begin`s of one vector one is told to go on, until its lease is over, or it is `keep`ed or `gone`.
/// - What was begun stands among the `older` ones as what is kept does: it may have had its effect.
/// - `older` gives the oldest first.
#[async_trait]
pub trait Vectors: Send + Sync {
    /// Begins to add a vector, for `lease` at the most.
    async fn begin(&self, vector: &Vector, lease: Duration) -> Result<Adding>;

    /// It is there.
    async fn keep(&self, vector: &Vector) -> Result<()>;

    /// Those with these marks are not there any more, or without marks all of the collection.
    async fn gone(&self, collection: &Collection, marks: Option<&[Mark]>) -> Result<()>;

    /// Up to `limit` that were added before this time.
    async fn older(&self, before: Timestamp, limit: usize) -> Result<Vec<Vector>>;
}

/// Who has agreed to faces being kept and compared.
///
/// # Behavior
/// - Agreeing is durable before it returns; agreeing twice keeps the first time.
#[async_trait]
pub trait Consents: Send + Sync {
    /// Since when; `None` where there is no consent.
    async fn agreed(&self, owner: &Owner) -> Result<Option<Timestamp>>;

    /// Takes the consent down.
    async fn agree(&self, owner: &Owner, at: Timestamp) -> Result<()>;
}

/// What was found when a request was first worked on, and the audit log of what was deleted.
///
/// # Behavior
/// - The first note of a request stays; everybody is given that one.
/// - Erasures stay for good. `erasures` gives the newest first.
#[async_trait]
pub trait Notes: Send + Sync {
    /// Notes something about a request of this owner; gives what was noted first.
    async fn note(&self, owner: &Owner, request: &Mark, note: &Note) -> Result<Note>;

    /// What was noted about a request.
    async fn noted(&self, owner: &Owner, request: &Mark) -> Result<Option<Note>>;

    /// Up to `limit` lines of the audit log about this owner.
    async fn erasures(&self, owner: &Owner, limit: usize) -> Result<Vec<Erasure>>;
}
