//! Amazon Rekognition as the service that keeps faces.
//!
//! A collection is called `crosslens-STAGE.OWNER.NAME`, so that a role can be limited to a stage's collections, and no two owners
//! have one in common. A vector's `ExternalImageId` is `PERSON:MARK`: whose face it is, and which request it comes from.

use async_trait::async_trait;
use aws_sdk_rekognition::{
    Client,
    primitives::Blob,
    types::{Attribute, Face, FaceDetail, Image as Picture, QualityFilter, Reason, UnindexedFace},
};
use common::{
    analysis::{Feature, Features},
    error::{Error, Kind, Result},
    faces::{Added, Celebrity, Collection, Found, KeptFace, Likeness, Mark, Unfit},
    image::Image,
    intake::Intake,
    message::{CollectionName, Owner, PersonName},
    ports::{Collections, Faces, Portraits},
};
use metrics::counter;

use super::{fault::fault, picture};

/// Percent from which two faces are one person's.
const ALIKE: f32 = 85.0;
/// Faces that one page of a list holds, and that are deleted in a call, at the most
/// (<https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DeleteFaces.html>).
const PAGE: i32 = 4096;
/// The part of a picture's height from which a face counts as large enough: Rekognition sees faces of 40 pixels in a picture of 1080
/// (<https://docs.aws.amazon.com/rekognition/latest/dg/limits.html>), and does not say by itself why a search found none.
const SMALLEST: f32 = 40.0 / 1080.0;

/// The collections of one stage.
pub struct RekognitionFaces {
    client: Client,
    intake: Intake,
    prefix: String,
}

impl RekognitionFaces {
    /// By this client, which must not repeat calls by itself: adding a face twice makes two vectors.
    pub fn new(client: Client, intake: Intake, stage: &str) -> Self {
        Self { client, intake, prefix: format!("crosslens-{stage}.") }
    }

    fn owned(&self, owner: &Owner) -> String {
        format!("{}{owner}.", self.prefix)
    }

    fn id(&self, collection: &Collection) -> String {
        format!("{}{}", self.owned(&collection.owner), collection.name)
    }

    async fn picture(&self, image: &Image) -> Result<Picture> {
        let faces = Features::new([Feature::Faces])?;
        let sent = match picture::of(&self.intake, image, &faces).await {
            // No other service is asked for faces.
            Err(error) if error.kind() == Kind::Unsupported => {
                return Err(Error::new(Kind::Unprocessable, error.message().to_owned()));
            }
            sent => sent?,
        };
        Ok(Picture::builder().bytes(Blob::new(sent.bytes)).build())
    }

    async fn details(&self, picture: Picture) -> Result<Vec<FaceDetail>> {
        let call = self.client.detect_faces().image(picture);
        Ok(called("DetectFaces", call.send().await.map_err(fault))?.face_details.unwrap_or_default())
    }
}

#[async_trait]
impl Collections for RekognitionFaces {
    async fn create(&self, collection: &Collection) -> Result<bool> {
        match self.client.create_collection().collection_id(self.id(collection)).send().await {
            Ok(_) => called("CreateCollection", Ok(true)),
            Err(error) if error.as_service_error().is_some_and(|said| said.is_resource_already_exists_exception()) => {
                called("CreateCollection", Ok(false))
            }
            Err(error) => called("CreateCollection", Err(fault(error))),
        }
    }

    async fn of(&self, owner: &Owner) -> Result<Vec<CollectionName>> {
        let (begin, mut names, mut token) = (self.owned(owner), Vec::new(), None);
        loop {
            let call = self.client.list_collections().max_results(PAGE).set_next_token(token);
            let page = called("ListCollections", call.send().await.map_err(fault))?;
            let own = page.collection_ids().iter().filter_map(|id| id.strip_prefix(&begin));
            names.extend(own.filter_map(|name| name.parse::<CollectionName>().ok()));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                names.sort();
                return Ok(names);
            }
        }
    }

    async fn delete(&self, collection: &Collection) -> Result<bool> {
        let call = self.client.delete_collection().collection_id(self.id(collection));
        match called("DeleteCollection", call.send().await.map_err(fault)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Faces for RekognitionFaces {
    async fn add(&self, collection: &Collection, image: &Image, person: &PersonName, mark: &Mark) -> Result<Added> {
        let call = self
            .client
            .index_faces()
            .collection_id(self.id(collection))
            .image(self.picture(image).await?)
            .external_image_id(format!("{}:{}", person.expose(), mark.as_str()))
            .max_faces(1)
            .quality_filter(QualityFilter::Auto)
            .detection_attributes(Attribute::Default);
        let answer = called("IndexFaces", call.send().await.map_err(fault))?;
        let others = answer.unindexed_faces();
        if answer.face_records().is_empty() {
            return Ok(Added::No(why(others)));
        }
        Ok(Added::Yes { others: others.len() })
    }

    async fn find(&self, collection: &Collection, image: &Image) -> Result<Found> {
        let picture = self.picture(image).await?;
        let search = self
            .client
            .search_faces_by_image()
            .collection_id(self.id(collection))
            .image(picture.clone())
            .max_faces(1)
            .face_match_threshold(ALIKE);
        let matches = match search.send().await {
            Ok(answer) => called("SearchFacesByImage", Ok(answer.face_matches.unwrap_or_default()))?,
            // What Rekognition says of a picture without a face, and of other things.
            Err(error) if error.as_service_error().is_some_and(|said| said.is_invalid_parameter_exception()) => {
                return match unfit(&self.details(picture).await?) {
                    Some(unfit) => called("SearchFacesByImage", Ok(Found::No(unfit))),
                    None => called("SearchFacesByImage", Err(fault(error))),
                };
            }
            Err(error) => return called("SearchFacesByImage", Err(fault(error))),
        };
        let best = matches.into_iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
        let Some(best) = best.filter(|best| similarity(best) >= ALIKE) else { return Ok(Found::Unknown) };
        let similarity = similarity(&best);
        // What somebody else has put there under a name of another form is nobody whom we know.
        let Some((person, _)) = best.face().and_then(named) else { return Ok(Found::Unknown) };
        let confidence = best.face().and_then(Face::confidence).unwrap_or_default();
        Ok(Found::Match(Likeness { person, similarity, confidence }))
    }

    async fn kept(&self, collection: &Collection) -> Result<Vec<KeptFace>> {
        let (mut kept, mut token) = (Vec::new(), None);
        loop {
            let list = self.client.list_faces().collection_id(self.id(collection));
            let call = list.max_results(PAGE).set_next_token(token);
            let page = called("ListFaces", call.send().await.map_err(fault))?;
            kept.extend(page.faces().iter().filter_map(|face| {
                let ((person, mark), id) = (named(face)?, face.face_id()?.to_owned());
                Some(KeptFace { person, mark, id })
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(kept);
            }
        }
    }

    async fn remove(&self, collection: &Collection, faces: &[KeptFace]) -> Result<()> {
        for some in faces.chunks(PAGE as usize) {
            let ids = some.iter().map(|face| face.id.clone()).collect();
            let call = self.client.delete_faces().collection_id(self.id(collection)).set_face_ids(Some(ids));
            called("DeleteFaces", call.send().await.map_err(fault))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Portraits for RekognitionFaces {
    async fn unfit(&self, image: &Image) -> Result<Option<Unfit>> {
        let picture = self.picture(image).await?;
        Ok(unfit(&self.details(picture).await?))
    }

    async fn celebrities(&self, image: &Image) -> Result<Vec<Celebrity>> {
        let call = self.client.recognize_celebrities().image(self.picture(image).await?);
        let answer = called("RecognizeCelebrities", call.send().await.map_err(fault))?;
        let known = answer.celebrity_faces().iter();
        Ok(known
            .filter_map(|one| Some(Celebrity { name: one.name()?.to_owned(), links: one.urls().to_vec() }))
            .collect())
    }
}

/// Counts a call and how it ended.
fn called<T>(operation: &'static str, answer: Result<T>) -> Result<T> {
    let outcome = answer.as_ref().map_or_else(|error| error.kind().slug(), |_| "answered");
    counter!("crosslens_face_calls_total", "operation" => operation, "outcome" => outcome).increment(1);
    answer
}

/// Whose face it is and which request it comes from.
fn named(face: &Face) -> Option<(PersonName, Mark)> {
    let (person, mark) = face.external_image_id()?.rsplit_once(':')?;
    Some((person.parse().ok()?, Mark::read(mark)?))
}

fn similarity(found: &aws_sdk_rekognition::types::FaceMatch) -> f32 {
    found.similarity().unwrap_or_default()
}

/// Why none of these faces was taken.
fn why(faces: &[UnindexedFace]) -> Unfit {
    if faces.is_empty() {
        return Unfit::NoFace;
    }
    let small = faces.iter().all(|face| face.reasons().contains(&Reason::SmallBoundingBox));
    if small { Unfit::TooSmall } else { Unfit::Unclear }
}

/// Why none of the faces that were seen can be used, as far as their size tells.
fn unfit(faces: &[FaceDetail]) -> Option<Unfit> {
    if faces.is_empty() {
        return Some(Unfit::NoFace);
    }
    let height = |face: &FaceDetail| face.bounding_box().and_then(|bounds| bounds.height()).unwrap_or_default();
    faces.iter().all(|face| height(face) < SMALLEST).then_some(Unfit::TooSmall)
}

#[cfg(test)]
mod tests {
    use aws_sdk_rekognition::types::BoundingBox;

    use super::*;

    #[test]
    fn a_name_of_another_form_is_nobody() {
        let named = |id: &str| named(&Face::builder().external_image_id(id).build());
        let mark = Mark::of("request");
        let (person, read) = named(&format!("tom_cruise:{}", mark.as_str())).unwrap();
        assert_eq!((person.expose(), read), ("tom_cruise", mark.clone()));
        for other in ["tom_cruise", "tom_cruise:", "tom_cruise:short", &format!(":{}", mark.as_str())] {
            assert!(named(other).is_none(), "{other}");
        }
    }

    #[test]
    fn no_face_and_one_that_is_too_small_are_told_apart() {
        let face =
            |height: f32| FaceDetail::builder().bounding_box(BoundingBox::builder().height(height).build()).build();
        assert_eq!(unfit(&[]), Some(Unfit::NoFace));
        assert_eq!(unfit(&[face(0.01), face(0.03)]), Some(Unfit::TooSmall));
        assert_eq!(unfit(&[face(0.01), face(0.2)]), None);
        let unindexed = |reasons: &[Reason]| UnindexedFace::builder().set_reasons(Some(reasons.to_vec())).build();
        assert_eq!(why(&[]), Unfit::NoFace);
        assert_eq!(why(&[unindexed(&[Reason::SmallBoundingBox, Reason::LowSharpness])]), Unfit::TooSmall);
        assert_eq!(why(&[unindexed(&[Reason::SmallBoundingBox]), unindexed(&[Reason::ExtremePose])]), Unfit::Unclear);
    }
}
