//! Faces by message: collections are made, faces added, matched and forgotten, and whoever asks is always answered, in the sentences
//! of the system that this one descends from.
//!
//! # Layout, in reading order
//! Below is one request's way. `sentences` is what people read, `biography` who a matched person is, in words, and `wikipedia` where
//! that is looked up. What is done is `common::faces`' business, and happens once for each request.

mod biography;
mod sentences;
mod wikipedia;

use std::sync::Arc;

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result, Retry},
    event::{Event, Payload, Topic},
    faces::{Added, Asked, Collection, Found, Gallery, Mark, patiently},
    image::Image,
    intake::Intake,
    message::{CollectionName, Operation, Owner, PersonName, Reply, Request},
    ports::{Fetch, Settlement},
    request::{Cloud, ImageSource},
    source::SourceUrl,
};
use tracing::warn;

pub use self::{
    sentences::QUESTION,
    wikipedia::{WIKIPEDIA, Wikipedia},
};
use crate::Processor;

/// The processor `faces`.
pub struct FaceRequests {
    /// Where it runs.
    pub cloud: Cloud,
    /// The collections; `None` where this deployment has no service for faces, which is then said.
    pub gallery: Option<Gallery>,
    /// Opens the pictures' URLs, which strangers have chosen.
    pub fetch: Arc<dyn Fetch>,
    /// Takes pictures in.
    pub intake: Intake,
}

/// What somebody is told.
#[derive(Debug, PartialEq)]
struct Answer {
    text: String,
    biography: Option<String>,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, biography: None }
    }
}

#[async_trait]
impl Processor for FaceRequests {
    fn name(&self) -> &str {
        "faces"
    }

    fn consumes(&self) -> &[Topic] {
        &[Topic::CreateCollectionRequest, Topic::AddFaceRequest, Topic::MatchFaceRequest]
    }

    async fn process(&self, event: &Event) -> Result<Settlement> {
        let Payload::Requested(request) = &event.data else { return Ok(Settlement::default()) };
        let answer = match &self.gallery {
            None => sentences::NO_SERVICE.to_owned().into(),
            Some(gallery) => self.answer(gallery, event, request).await?,
        };
        let reply = Reply::to(self.cloud, event, answer.text, answer.biography)?;
        Ok(Settlement { events: vec![reply], ..Settlement::default() })
    }
}

impl FaceRequests {
    /// An error brings the event back: somebody else works on the same request, or our own memory cannot be had. Whatever else
    /// fails was tried for long enough, and is said.
    async fn answer(&self, gallery: &Gallery, event: &Event, request: &Request) -> Result<Answer> {
        let (owner, asked) = (request.from_number.owner(), Asked { mark: Mark::of(&event.id), at: event.time });
        match (request.operation, &request.collection_name, &request.label) {
            (Operation::List, _, _) => list(gallery, &owner).await,
            (Operation::Consent, _, _) => {
                gallery.agree(&owner, event.time).await?;
                Ok(sentences::AGREED.to_owned().into())
            }
            (Operation::AddCol, Some(name), _) => create(gallery, own(&owner, name), &asked).await,
            (Operation::DelCol, Some(name), _) => delete(gallery, own(&owner, name), &asked).await,
            (Operation::AddImg, Some(name), Some(person)) => {
                self.add(gallery, own(&owner, name), person, request, &asked).await
            }
            (Operation::Forget, Some(name), Some(person)) => forget(gallery, own(&owner, name), person, &asked).await,
            (Operation::Match, Some(name), _) => self.find(gallery, own(&owner, name), request).await,
            _ => Ok(sentences::INCOMPLETE.to_owned().into()),
        }
    }

    async fn add(
        &self,
        gallery: &Gallery,
        collection: Collection,
        person: &PersonName,
        request: &Request,
        asked: &Asked,
    ) -> Result<Answer> {
        let Some(agreed) = gallery.agreed(&collection.owner).await? else { return Ok(QUESTION.to_owned().into()) };
        let (owner, name) = (&collection.owner, &collection.name);
        let Some(image) = self.picture(request).await else { return nothing_to_add(gallery, owner, name).await };
        match gallery.add(&agreed, name, &image, person, asked).await {
            Ok(Added::Yes { .. }) => Ok(sentences::added(person, name).into()),
            // A collection that is not there would have been said.
            Ok(Added::No(_)) => Ok(sentences::NOTHING_TO_ADD.to_owned().into()),
            Err(error) if error.kind() == Kind::NotFound => {
                let unfit = patiently(|| gallery.portraits.unfit(&image)).await;
                let shows_a_face = matches!(unfit, Ok(None));
                Ok(if shows_a_face { sentences::missing(name) } else { sentences::missing_and_no_face(name) }.into())
            }
            Err(error) if error.is_permanent() => nothing_to_add(gallery, owner, name).await,
            Err(error) => failed(error, sentences::not_added(person, name)),
        }
    }

    async fn find(&self, gallery: &Gallery, collection: Collection, request: &Request) -> Result<Answer> {
        let Some(agreed) = gallery.agreed(&collection.owner).await? else { return Ok(QUESTION.to_owned().into()) };
        let nothing = || Ok(sentences::NOTHING_TO_MATCH.to_owned().into());
        let Some(image) = self.picture(request).await else { return nothing() };
        match gallery.find(&agreed, &collection.name, &image).await {
            Ok(Found::Match(likeness)) => {
                let who = gallery.who(&image, &likeness.person).await;
                Ok(Answer { text: sentences::matched(&likeness), biography: who.as_ref().map(biography::text) })
            }
            Ok(Found::Unknown) => Ok(sentences::UNKNOWN.to_owned().into()),
            Ok(Found::No(_)) => nothing(),
            Err(error) if error.kind() == Kind::NotFound => Ok(sentences::missing(&collection.name).into()),
            Err(error) if error.is_permanent() => nothing(),
            Err(error) => failed(error, sentences::not_matched(&collection.name)),
        }
    }

    /// The picture, fetched once; `None` where there is none that could be used.
    async fn picture(&self, request: &Request) -> Option<Image> {
        let url = SourceUrl::parse(request.image_url.as_deref()?).ok()?;
        let source = ImageSource::Url(url);
        let picture = patiently(|| self.fetch.fetch(&source)).await.and_then(|bytes| self.intake.admit(bytes));
        let log = |error: &Error| warn!(%error, "a picture by message cannot be used");
        picture.inspect_err(log).ok()
    }
}

async fn create(gallery: &Gallery, collection: Collection, asked: &Asked) -> Result<Answer> {
    match gallery.create(&collection, asked).await {
        Ok(true) => Ok(sentences::created(&collection.name).into()),
        Ok(false) => Ok(sentences::exists(&collection.name).into()),
        Err(error) => failed(error, sentences::not_created(&collection.name)),
    }
}

async fn delete(gallery: &Gallery, collection: Collection, asked: &Asked) -> Result<Answer> {
    match gallery.delete(&collection, asked).await {
        Ok(true) => Ok(sentences::deleted(&collection.name).into()),
        Ok(false) => Ok(sentences::nothing_to_delete(&collection.name).into()),
        Err(error) => failed(error, sentences::not_deleted(&collection.name)),
    }
}

async fn list(gallery: &Gallery, owner: &Owner) -> Result<Answer> {
    match gallery.names(owner).await {
        Ok(names) => Ok(sentences::listed(&names).into()),
        Err(error) => failed(error, sentences::NOT_LISTED.to_owned()),
    }
}

async fn forget(gallery: &Gallery, collection: Collection, person: &PersonName, asked: &Asked) -> Result<Answer> {
    match gallery.forget(&collection, person, asked).await {
        Ok(vectors) => Ok(sentences::forgotten(person, &collection.name, vectors).into()),
        Err(error) if error.kind() == Kind::NotFound => Ok(sentences::missing(&collection.name).into()),
        Err(error) => failed(error, sentences::not_forgotten(person, &collection.name)),
    }
}

/// For a picture that cannot be used.
async fn nothing_to_add(gallery: &Gallery, owner: &Owner, name: &CollectionName) -> Result<Answer> {
    // Where that cannot be found out, nothing is said of the collection.
    let there = gallery.names(owner).await.map_or(true, |names| names.contains(name));
    Ok(if there { sentences::NOTHING_TO_ADD.to_owned() } else { sentences::missing_and_no_face(name) }.into())
}

/// What was tried for long enough, or can never succeed, is said; anything else comes back.
fn failed(error: Error, said: String) -> Result<Answer> {
    if error.retry() == Retry::Later {
        return Err(error);
    }
    warn!(%error, cause = error.causes(), "a request about faces has failed");
    Ok(said.into())
}

fn own(owner: &Owner, name: &CollectionName) -> Collection {
    Collection { owner: owner.clone(), name: name.clone() }
}
