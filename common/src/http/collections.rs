//! `/v1/collections`: faces without a phone. A collection belongs to the caller that made it; to everybody else it does not exist.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query as Params, Request, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Context, bounded, problem::Problem};
use crate::{
    error::{Error, Kind, Result},
    faces::{Added, Agreed, Asked, Collection, Entry, Found, Gallery, Mark, Who},
    image::Image,
    intake::Intake,
    message::{CollectionName, Owner, PersonName},
    ports::Fetch,
    request::ImageSource,
    source::SourceUrl,
};

const JSON_LIMIT: usize = 64 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct FaceFront {
    /// The collections; `None` where this deployment has no service for faces.
    pub gallery: Option<Gallery>,
    /// Opens the URLs that callers name.
    pub fetch: Arc<dyn Fetch>,
    /// Takes pictures in.
    pub intake: Intake,
}

/// The routes, to be wrapped as those of [`super::api`] are.
pub fn collections(front: FaceFront) -> Router {
    Router::new()
        .route("/v1/collections", get(list).post(create))
        .route("/v1/collections/{collection}", delete(remove))
        .route("/v1/collections/{collection}/faces", get(people).post(add))
        .route("/v1/collections/{collection}/faces/{person}", delete(forget))
        .route("/v1/collections/{collection}/match", post(find))
        .with_state(front)
}

/// The caller's collections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CollectionList {
    /// Their names, sorted.
    #[schema(value_type = Vec<String>)]
    collections: Vec<CollectionName>,
}

/// A collection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedCollection {
    /// 1 to 100 of `a-z`, `0-9`, `_`, `-` and `.`, a letter or digit first.
    #[schema(value_type = String)]
    name: CollectionName,
}

/// Someone in a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Person {
    /// As it was given, `first_last`.
    #[schema(value_type = String)]
    person: PersonName,
    /// How many pictures of this person there are.
    vectors: usize,
}

/// Who is in a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    /// By name.
    people: Vec<Person>,
}

/// The query of what takes a picture.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FaceParams {
    /// Whose face it is, `first_last`; for adding only.
    person: Option<String>,
    /// `true` says that the caller and the people on the caller's pictures agree to faces being kept and compared. Once is enough.
    #[serde(default)]
    consent: bool,
}

/// A JSON body in a picture's place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FaceBody {
    /// The picture's `http` or `https` URL.
    image_uri: String,
    /// Whose face it is, `first_last`; for adding only.
    person: Option<String>,
    /// As in the query.
    #[serde(default)]
    consent: bool,
}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedFace {
    /// Whose face it is.
    #[schema(value_type = String)]
    person: PersonName,
    /// Other faces on the picture, of which nothing was kept.
    other_faces: usize,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Forgotten {
    /// How many vectors were deleted for good.
    vectors: usize,
}

/// Whose face it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Matched {
    /// `null` for a face that is not in the collection.
    r#match: Option<MatchedPerson>,
}

/// A person of the collection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MatchedPerson {
    /// `first_last`.
    #[schema(value_type = String)]
    person: PersonName,
    /// As people write it.
    name: String,
    /// How alike the faces are, 0 to 100.
    similarity: f32,
    /// How sure it is that what was added is a face, 0 to 100.
    confidence: f32,
    /// Whether this is a public person of that name, recognised on the picture. Otherwise what an encyclopaedia says under the
    /// name may be about somebody else.
    celebrity: bool,
    /// Pages about the public person.
    links: Vec<String>,
    /// What Wikipedia says under the name; absent where it says nothing or nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryUnderName>,
}

/// An entry of an encyclopaedia.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryUnderName {
    /// Its title.
    title: String,
    /// A few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How it begins.
    summary: String,
    /// Where it can be read.
    source: String,
}

/// The caller's collections.
#[utoipa::path(get, path = "/v1/collections", operation_id = "list_collections", responses(
    (status = 200, description = "their names", body = CollectionList),
    (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(front): State<FaceFront>, context: Context) -> Result<Json<CollectionList>> {
    let collections = front.gallery()?.names(&Owner::of_caller(&context.caller)).await?;
    Ok(Json(CollectionList { collections }))
}

/// Makes a collection; 200 where the caller has it already.
#[utoipa::path(post, path = "/v1/collections", operation_id = "create_collection", request_body = NamedCollection, responses(
    (status = 201, description = "it is there now", body = NamedCollection),
    (status = 200, description = "it was there already", body = NamedCollection),
    (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(front): State<FaceFront>,
    context: Context,
    headers: HeaderMap,
    body: Request,
) -> Result<Response> {
    let bytes = bounded(body, JSON_LIMIT).await?;
    let NamedCollection { name } = serde_json::from_slice(&bytes).map_err(invalid_json)?;
    let collection = Collection { owner: Owner::of_caller(&context.caller), name };
    let created = front.gallery()?.create(&collection, &asked(&context, &headers)?).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/collections/{}", collection.name);
    Ok((status, [(header::LOCATION, location)], Json(NamedCollection { name: collection.name })).into_response())
}

/// Deletes a collection and all that is in it, for good.
#[utoipa::path(
    delete, path = "/v1/collections/{collection}", operation_id = "delete_collection", params(("collection" = String, Path, description = "its name")),
    responses(
        (status = 204, description = "nothing of it is kept any more"),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(front): State<FaceFront>,
    context: Context,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let collection = own(&context, &name)?;
    let there = front.gallery()?.delete(&collection, &asked(&context, &headers)?).await?;
    if there { Ok(StatusCode::NO_CONTENT) } else { Err(Error::new(Kind::NotFound, "there is no such collection")) }
}

/// Who is in a collection.
#[utoipa::path(
    get, path = "/v1/collections/{collection}/faces", operation_id = "list_faces", params(("collection" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "the people in it", body = People),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn people(
    State(front): State<FaceFront>,
    context: Context,
    Path(name): Path<String>,
) -> Result<Json<People>> {
    let people = front.gallery()?.people(&own(&context, &name)?).await?;
    Ok(Json(People { people: people.into_iter().map(|(person, vectors)| Person { person, vectors }).collect() }))
}

/// Keeps the most prominent face on a picture under a person's name. An `Idempotency-Key` makes a repetition harmless.
#[utoipa::path(
    post, path = "/v1/collections/{collection}/faces", operation_id = "add_face",
    params(("collection" = String, Path, description = "its name"), FaceParams),
    request_body(description = "the picture's bytes, or JSON", content((String = "application/octet-stream"), (FaceBody = "application/json"))),
    responses(
        (status = 201, description = "it is kept", body = AddedFace),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn add(
    State(front): State<FaceFront>,
    context: Context,
    headers: HeaderMap,
    Path(name): Path<String>,
    params: Result<Params<FaceParams>, QueryRejection>,
    body: Request,
) -> Result<Response> {
    let (gallery, collection) = (front.gallery()?, own(&context, &name)?);
    let Shown { source, person, consent } = read(&front, &headers, params, body).await?;
    let person =
        person.ok_or_else(|| Error::new(Kind::InvalidRequest, "say whose face it is with person=first_last"))?;
    let person: PersonName = person.parse()?;
    let agreed = agreed(gallery, &collection.owner, consent).await?;
    let image = front.image(source).await?;
    match gallery.add(&agreed, &collection.name, &image, &person, &asked(&context, &headers)?).await? {
        Added::Yes { others } => {
            Ok((StatusCode::CREATED, Json(AddedFace { person, other_faces: others })).into_response())
        }
        Added::No(unfit) => Err(Error::new(Kind::Unprocessable, unfit.said())),
    }
}

/// Deletes all vectors of a person for good.
#[utoipa::path(
    delete, path = "/v1/collections/{collection}/faces/{person}", operation_id = "forget_face",
    params(("collection" = String, Path, description = "its name"), ("person" = String, Path, description = "first_last")),
    responses(
        (status = 200, description = "how many there were", body = Forgotten),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn forget(
    State(front): State<FaceFront>,
    context: Context,
    headers: HeaderMap,
    Path((name, person)): Path<(String, String)>,
) -> Result<Json<Forgotten>> {
    let collection = own(&context, &name)?;
    let vectors = front.gallery()?.forget(&collection, &person.parse()?, &asked(&context, &headers)?).await?;
    Ok(Json(Forgotten { vectors }))
}

/// Whose face is on a picture, of those in a collection.
#[utoipa::path(
    post, path = "/v1/collections/{collection}/match", operation_id = "match_face",
    params(("collection" = String, Path, description = "its name"), FaceParams),
    request_body(description = "the picture's bytes, or JSON", content((String = "application/octet-stream"), (FaceBody = "application/json"))),
    responses(
        (status = 200, description = "the best match", body = Matched),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn find(
    State(front): State<FaceFront>,
    context: Context,
    headers: HeaderMap,
    Path(name): Path<String>,
    params: Result<Params<FaceParams>, QueryRejection>,
    body: Request,
) -> Result<Json<Matched>> {
    let (gallery, collection) = (front.gallery()?, own(&context, &name)?);
    let Shown { source, consent, .. } = read(&front, &headers, params, body).await?;
    let agreed = agreed(gallery, &collection.owner, consent).await?;
    let image = front.image(source).await?;
    let likeness = match gallery.find(&agreed, &collection.name, &image).await? {
        Found::Match(likeness) => likeness,
        Found::Unknown => return Ok(Json(Matched { r#match: None })),
        Found::No(unfit) => return Err(Error::new(Kind::Unprocessable, unfit.said())),
    };
    let who = gallery.who(&image, &likeness.person).await;
    let (celebrity, entry) = who.map_or((None, Entry::Unknown), |Who { celebrity, entry, .. }| (celebrity, entry));
    let matched = MatchedPerson {
        name: likeness.person.spoken(),
        person: likeness.person,
        similarity: likeness.similarity,
        confidence: likeness.confidence,
        celebrity: celebrity.is_some(),
        links: celebrity.map(|celebrity| celebrity.links).unwrap_or_default(),
        entry: match entry {
            Entry::There(entry) => Some(EntryUnderName {
                title: entry.title,
                description: entry.description,
                summary: entry.summary,
                source: entry.source,
            }),
            Entry::Missing | Entry::Unknown => None,
        },
    };
    Ok(Json(Matched { r#match: Some(matched) }))
}

impl FaceFront {
    fn gallery(&self) -> Result<&Gallery> {
        let none =
            || Error::new(Kind::Unsupported, "this deployment has no face service; it keeps and matches no faces");
        self.gallery.as_ref().ok_or_else(none)
    }

    async fn image(&self, source: ImageSource) -> Result<Image> {
        let bytes = match source {
            ImageSource::Bytes(bytes) => bytes,
            source => self.fetch.fetch(&source).await?,
        };
        self.intake.admit(bytes)
    }
}

/// A picture and what is said about it.
struct Shown {
    source: ImageSource,
    person: Option<String>,
    consent: bool,
}

async fn read(
    front: &FaceFront,
    headers: &HeaderMap,
    params: Result<Params<FaceParams>, QueryRejection>,
    body: Request,
) -> Result<Shown> {
    let Params(params) = params.map_err(|cause| Error::new(Kind::InvalidRequest, cause.body_text()))?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.starts_with("application/json") {
        let bytes = bounded(body, JSON_LIMIT).await?;
        let body: FaceBody = serde_json::from_slice(&bytes).map_err(invalid_json)?;
        let source = ImageSource::Url(SourceUrl::parse(&body.image_uri)?);
        return Ok(Shown { source, person: body.person.or(params.person), consent: body.consent || params.consent });
    }
    if media.starts_with("multipart/") {
        let message = "send the picture itself as the body, as `curl --data-binary @picture.jpg` does, not a form";
        return Err(Error::new(Kind::UnsupportedMedia, message));
    }
    let bytes = bounded(body, front.intake.limits().max_bytes).await?;
    Ok(Shown { source: ImageSource::Bytes(bytes), person: params.person, consent: params.consent })
}

/// Before any picture is opened.
async fn agreed(gallery: &Gallery, owner: &Owner, consent: bool) -> Result<Agreed> {
    if let Some(agreed) = gallery.agreed(owner).await? {
        return Ok(agreed);
    }
    if consent {
        return gallery.agree(owner, Timestamp::now()).await;
    }
    let message = "faces are kept and compared with consent only: say consent=true once, if you and the people on your pictures agree";
    Err(Error::new(Kind::Forbidden, message))
}

fn own(context: &Context, name: &str) -> Result<Collection> {
    Ok(Collection { owner: Owner::of_caller(&context.caller), name: name.parse()? })
}

/// The caller's own name for the request, where it gives one.
fn asked(context: &Context, headers: &HeaderMap) -> Result<Asked> {
    let key = match headers.get("idempotency-key").map(|value| value.to_str()) {
        None => Uuid::new_v4().to_string(),
        Some(Ok(key)) if (1..=255).contains(&key.len()) => {
            format!("{}:{}/{key}", context.caller.0.len(), context.caller.0)
        }
        Some(_) => {
            return Err(Error::new(Kind::InvalidRequest, "an Idempotency-Key is 1 to 255 visible ASCII characters"));
        }
    };
    Ok(Asked { mark: Mark::of(&key), at: Timestamp::now() })
}

/// Without the parser's words, which may quote a name.
fn invalid_json(_: serde_json::Error) -> Error {
    Error::new(Kind::InvalidRequest, "the JSON body is not valid; /openapi.json says what it is")
}
