//! `/v1/collections`: faces without a phone. A collection belongs to the caller that made it; to everybody else it does not exist.

mod wire;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query as Params, Request, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Context,
    body::{JSON_LIMIT, bounded, is_json},
    detect::idempotency_key,
    problem::Problem,
};
use crate::{
    error::{Error, Kind, Result},
    faces::{Added, Agreed, Asked, Collection, Entry, Found, Gallery, Mark, Who},
    image::Image,
    intake::Intake,
    message::{Owner, PersonName},
    ports::Fetch,
    request::ImageSource,
    source::SourceUrl,
};
use wire::{
    AddedFace, CollectionList, EntryUnderName, FaceBody, FaceParams, Forgotten, Matched, MatchedPerson,
    NamedCollection, People, Person,
};

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
    if is_json(headers)? {
        let bytes = bounded(body, JSON_LIMIT).await?;
        let body: FaceBody = serde_json::from_slice(&bytes).map_err(invalid_json)?;
        let source = ImageSource::Url(SourceUrl::parse(&body.image_uri)?);
        return Ok(Shown { source, person: body.person.or(params.person), consent: body.consent || params.consent });
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
    let own = |key: String| format!("{}:{}/{key}", context.caller.0.len(), context.caller.0);
    let key = idempotency_key(headers)?.map_or_else(|| Uuid::new_v4().to_string(), own);
    Ok(Asked { mark: Mark::of(&key), at: Timestamp::now() })
}

/// Without the parser's words, which may quote a name.
fn invalid_json(_: serde_json::Error) -> Error {
    Error::new(Kind::InvalidRequest, "the JSON body is not valid; /openapi.json says what it is")
}
