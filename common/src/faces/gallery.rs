//! What can be done with collections of faces, for whoever asks: by message, over HTTP, and the sweep. Everything may be asked
//! again under the same id, and comes out the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::timeout;

use super::{Added, Collection, Erasure, Found, Mark, Note, Reason, Vector, patience::patiently};
use crate::{
    error::{Error, Kind, Result, Retry},
    image::Image,
    message::{CollectionName, Owner, PersonName},
    ports::{Adding, Biographies, Collections, Consents, Faces, Notes, Portraits, Vectors},
};

/// How long one who adds a vector may be at it: longer than [`PATIENCE`] by the longest call.
const LEASE: Duration = Duration::from_secs(45);
/// How long adding may take with all its tries.
const PATIENCE: Duration = Duration::from_secs(30);

/// The collections of a deployment. Cheap to clone.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Gallery {
    pub collections: Arc<dyn Collections>,
    pub faces: Arc<dyn Faces>,
    pub portraits: Arc<dyn Portraits>,
    pub vectors: Arc<dyn Vectors>,
    pub consents: Arc<dyn Consents>,
    pub notes: Arc<dyn Notes>,
    /// Where it is looked up who a public person is; `None` where nowhere.
    pub biographies: Option<Arc<dyn Biographies>>,
}

/// An owner who has agreed to faces being kept and compared. There is no other way to one than [`Gallery::agreed`].
#[derive(Debug, Clone)]
pub struct Agreed(Owner);

/// A request: its id and its time are the same however often it is delivered.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Of the request's id.
    pub mark: Mark,
    /// When it was made.
    pub at: Timestamp,
}

impl Gallery {
    /// Of one service that keeps faces, and one memory beside it.
    pub fn new<S, M>(service: Arc<S>, memory: Arc<M>, biographies: Option<Arc<dyn Biographies>>) -> Self
    where
        S: Collections + Faces + Portraits + 'static,
        M: Vectors + Consents + Notes + 'static,
    {
        Self {
            collections: service.clone(),
            faces: service.clone(),
            portraits: service,
            vectors: memory.clone(),
            consents: memory.clone(),
            notes: memory,
            biographies,
        }
    }

    /// The proof that this owner has agreed; `None` where nobody has.
    pub async fn agreed(&self, owner: &Owner) -> Result<Option<Agreed>> {
        Ok(self.consents.agreed(owner).await?.map(|_| Agreed(owner.clone())))
    }

    /// Takes the owner's consent down.
    pub async fn agree(&self, owner: &Owner, at: Timestamp) -> Result<Agreed> {
        self.consents.agree(owner, at).await?;
        Ok(Agreed(owner.clone()))
    }

    /// Makes a collection; `false` where the owner had it before.
    pub async fn create(&self, collection: &Collection, asked: &Asked) -> Result<bool> {
        let names = self.names(&collection.owner).await?;
        let existed = Note::Existed(names.contains(&collection.name));
        if self.notes.note(&collection.owner, &asked.mark, &existed).await? == Note::Existed(true) {
            return Ok(false);
        }
        patiently(|| self.collections.create(collection)).await?;
        Ok(true)
    }

    /// The names of the owner's collections, sorted.
    pub async fn names(&self, owner: &Owner) -> Result<Vec<CollectionName>> {
        patiently(|| self.collections.of(owner)).await
    }

    /// Deletes a collection with all vectors in it; `false` where there was none.
    pub async fn delete(&self, collection: &Collection, asked: &Asked) -> Result<bool> {
        let kept = match patiently(|| self.faces.kept(collection)).await {
            Ok(kept) => kept,
            Err(error) if error.kind() == Kind::NotFound => {
                return Ok(self.notes.noted(&collection.owner, &asked.mark).await?.is_some());
            }
            Err(error) => return Err(error),
        };
        // Before the deed: nothing is ever deleted without its line.
        self.erase(collection, asked, kept.len(), Reason::CollectionDeleted).await?;
        patiently(|| self.collections.delete(collection)).await?;
        self.vectors.gone(collection, None).await?;
        Ok(true)
    }

    /// Keeps the most prominent face on a picture under a person's name, once for each request.
    ///
    /// # Errors
    /// `not-found` for a collection that is not there; what may pass was tried for long enough for somebody who waits.
    pub async fn add(
        &self,
        agreed: &Agreed,
        collection: &CollectionName,
        image: &Image,
        person: &PersonName,
        asked: &Asked,
    ) -> Result<Added> {
        let collection = Collection { owner: agreed.0.clone(), name: collection.clone() };
        let vector = Vector { collection, mark: asked.mark.clone(), added_at: asked.at };
        let tried = match self.vectors.begin(&vector, LEASE).await? {
            Adding::First => false,
            Adding::Again => true,
            Adding::Kept => return Ok(Added::Yes { others: 0 }),
            Adding::Busy(wait) => {
                return Err(Error::new(Kind::Unavailable, "the same request is being worked on").after(wait));
            }
        };
        let late =
            |_| Error::new(Kind::DeadlineExceeded, "the face could not be added in time").with_retry(Retry::Exhausted);
        let added = timeout(PATIENCE, self.add_once(&vector, image, person, tried)).await.map_err(late)?;
        match &added {
            Ok(Added::Yes { .. }) => self.vectors.keep(&vector).await?,
            // Certainly nothing is there; after any other failure something may be.
            Ok(Added::No(_)) => self.vectors.gone(&vector.collection, Some(&[vector.mark])).await?,
            Err(error) if error.is_permanent() => {
                self.vectors.gone(&vector.collection, Some(&[vector.mark])).await?;
            }
            Err(_) => {}
        }
        added
    }

    /// Looks before it repeats: a call whose answer was lost may have had its effect.
    async fn add_once(&self, vector: &Vector, image: &Image, person: &PersonName, tried: bool) -> Result<Added> {
        let mut tried = tried;
        patiently(|| {
            let looks = std::mem::replace(&mut tried, true);
            async move {
                if looks && self.faces.kept(&vector.collection).await?.iter().any(|face| face.mark == vector.mark) {
                    return Ok(Added::Yes { others: 0 });
                }
                self.faces.add(&vector.collection, image, person, &vector.mark).await
            }
        })
        .await
    }

    /// Whose face is on a picture, by what is in a collection.
    ///
    /// # Errors
    /// As of [`Self::add`].
    pub async fn find(&self, agreed: &Agreed, collection: &CollectionName, image: &Image) -> Result<Found> {
        let collection = Collection { owner: agreed.0.clone(), name: collection.clone() };
        patiently(|| self.faces.find(&collection, image)).await
    }

    /// The people in a collection, and how many vectors there are of each.
    ///
    /// # Errors
    /// `not-found` for a collection that is not there.
    pub async fn people(&self, collection: &Collection) -> Result<BTreeMap<PersonName, usize>> {
        let mut people = BTreeMap::new();
        for face in patiently(|| self.faces.kept(collection)).await? {
            let vectors: &mut usize = people.entry(face.person).or_default();
            *vectors = vectors.saturating_add(1);
        }
        Ok(people)
    }

    /// Deletes all vectors of a person for good; returns how many there were.
    ///
    /// # Errors
    /// `not-found` for a collection that is not there.
    pub async fn forget(&self, collection: &Collection, person: &PersonName, asked: &Asked) -> Result<usize> {
        let mut going = patiently(|| self.faces.kept(collection)).await?;
        going.retain(|face| face.person == *person);
        let erased = self.erase(collection, asked, going.len(), Reason::Forgotten).await?;
        patiently(|| self.faces.remove(collection, &going)).await?;
        let marks: Vec<Mark> = going.into_iter().map(|face| face.mark).collect();
        self.vectors.gone(collection, Some(&marks)).await?;
        Ok(erased)
    }

    /// Deletes up to `limit` vectors that were added longer ago than `age`; returns how many were found in their collections.
    pub async fn expire(&self, age: Duration, limit: usize) -> Result<usize> {
        let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        let mut old: BTreeMap<Collection, BTreeSet<Mark>> = BTreeMap::new();
        for vector in self.vectors.older(before, limit).await? {
            old.entry(vector.collection).or_default().insert(vector.mark);
        }
        let mut total = 0_usize;
        for (collection, marks) in old {
            let mut going = match self.faces.kept(&collection).await {
                Ok(kept) => kept,
                Err(error) if error.kind() == Kind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            going.retain(|face| marks.contains(&face.mark));
            if let (false, Some(first)) = (going.is_empty(), marks.first()) {
                // Named by what goes, so that one that was interrupted is noted once.
                let mark = Mark::of(&format!("retention of {}", first.as_str()));
                let asked = Asked { mark, at: Timestamp::now() };
                self.erase(&collection, &asked, going.len(), Reason::Retention).await?;
                self.faces.remove(&collection, &going).await?;
            }
            let marks: Vec<Mark> = marks.into_iter().collect();
            self.vectors.gone(&collection, Some(&marks)).await?;
            total = total.saturating_add(going.len());
        }
        Ok(total)
    }

    /// Writes the line of the audit log; returns how many vectors it names, which may be those of an earlier try.
    async fn erase(&self, collection: &Collection, asked: &Asked, vectors: usize, reason: Reason) -> Result<usize> {
        let owner = collection.owner.clone();
        let erasure = Erasure { at: Timestamp::now(), owner, vectors, reason };
        match self.notes.note(&collection.owner, &asked.mark, &Note::Erased(erasure)).await? {
            Note::Erased(first) => Ok(first.vectors),
            Note::Existed(_) => Ok(vectors),
        }
    }
}
