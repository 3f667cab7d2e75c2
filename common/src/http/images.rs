//! `/v1/images`: label, look up, list and erase.

use axum::{
    Json,
    extract::{Path, Query as Params, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Context, Front,
    body::{JSON_LIMIT, bounded, is_json},
    detect::{query, request},
    problem::Problem,
};
use crate::{
    analysis::{Analysis, Feature, Features},
    error::{Error, Kind, Result, internal},
    ports::State as Known,
    request::{ImageId, ImageRequest, ImageSource, Query},
    source::SourceUrl,
};

/// Who found what an answer says.
pub const PROVIDER: HeaderName = HeaderName::from_static("x-crosslens-provider");
/// How many units were paid for to answer.
pub const BILLED: HeaderName = HeaderName::from_static("x-crosslens-billed");

/// The query of `POST /v1/images` with a picture as the body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ImageParams {
    /// What to find, joined by commas; `labels` by default.
    features: Option<String>,
    /// What to find as well, joined by commas, and may come later: what cannot be told now is `pending`.
    later: Option<String>,
    /// The most labels to return, 1 to 100; 10 by default.
    max_labels: Option<u16>,
    /// `false` publishes no event.
    publish: Option<bool>,
}

/// The body of `POST /v1/images` that names a URL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImageBody {
    /// The picture's `http` or `https` URL.
    image_uri: String,
    /// What to find; `labels` by default.
    features: Option<Vec<Feature>>,
    /// What to find as well, and may come later: what cannot be told now is `pending`.
    later: Option<Vec<Feature>>,
    /// The most labels to return, 1 to 100; 10 by default.
    max_labels: Option<u16>,
    /// `false` publishes no event.
    publish: Option<bool>,
}

/// What is known about a request that has no analysis.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// The promised id.
    #[schema(value_type = String)]
    id: ImageId,
    /// `pending` or `failed`.
    state: String,
    /// Why it failed: the suffix of a problem's `type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Labels a picture: its bytes as the body, or a JSON body that names its URL.
#[utoipa::path(
    post, path = "/v1/images", params(ImageParams),
    request_body(description = "the picture's bytes, or JSON", content((String = "application/octet-stream"), (ImageBody = "application/json"))),
    responses(
        (status = 200, description = "what the picture shows", body = Analysis),
        (status = 202, description = "the bytes are safe, the work will be done", body = Status),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(front): State<Front>,
    context: Context,
    headers: HeaderMap,
    params: Result<Params<ImageParams>, axum::extract::rejection::QueryRejection>,
    body: Request,
) -> Result<Response> {
    let began = Timestamp::now();
    let (source, query) = read(&front, &headers, params, body).await?;
    let request = request(source, query, &context, &headers)?;
    // A preference that cannot be met is passed over (RFC 7240, section 2).
    if prefers_async(&headers) && front.kept.is_some() {
        return promise(&front, &request).await;
    }
    match process(&front, request.clone()).await {
        Ok(analysis) => Ok((provider_headers(&analysis, began), Json(analysis)).into_response()),
        Err(error) if no_detector(&error) => promise(&front, &request).await.or(Err(error)),
        Err(error) => Err(error),
    }
}

/// Where the picture is and what to find in it, from whichever form the request takes.
pub(super) async fn read(
    front: &Front,
    headers: &HeaderMap,
    params: Result<Params<ImageParams>, axum::extract::rejection::QueryRejection>,
    body: Request,
) -> Result<(ImageSource, Query)> {
    if is_json(headers)? {
        let bytes = bounded(body, JSON_LIMIT).await?;
        let body: ImageBody = serde_json::from_slice(&bytes)
            .map_err(|cause| Error::new(Kind::InvalidRequest, format!("the JSON body is not valid: {cause}")))?;
        let features = body.features.map(Features::new).transpose()?;
        let query = Query::new(features.unwrap_or_default(), body.max_labels, body.publish.unwrap_or(true))?;
        let query = query.with_later(body.later.filter(|later| !later.is_empty()).map(Features::new).transpose()?);
        return Ok((ImageSource::Url(SourceUrl::parse(&body.image_uri)?), query));
    }
    let Params(params) = params.map_err(|cause| Error::new(Kind::InvalidRequest, cause.body_text()))?;
    let query = query(params.features.as_deref(), params.later.as_deref(), params.max_labels, params.publish)?;
    Ok((ImageSource::Bytes(bounded(body, front.look.intake.limits().max_bytes).await?), query))
}

/// Runs to the end even when the caller goes away: what was paid for is kept.
pub(super) async fn process(front: &Front, request: ImageRequest) -> Result<Analysis> {
    let front = front.clone();
    let work = async move {
        match &front.kept {
            Some(kept) => kept.pipeline.process(&request).await,
            None => front.look.once(&request).await,
        }
    };
    tokio::spawn(tracing::Instrument::in_current_span(work)).await.map_err(internal)?
}

async fn promise(front: &Front, request: &ImageRequest) -> Result<Response> {
    let id = front.kept()?.pipeline.accept(request).await?;
    let location = HeaderValue::from_str(&format!("/v1/images/{id}")).map_err(internal)?;
    let status = Status { id, state: "pending".to_owned(), problem: None, detail: None };
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(status)).into_response())
}

/// The analysis, or how far it is.
#[utoipa::path(
    get, path = "/v1/images/{id}", params(("id" = String, Path, description = "an image id")),
    responses(
        (status = 200, description = "the analysis, or its state", body = Analysis),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(State(front): State<Front>, Path(id): Path<String>) -> Result<Response> {
    let id: ImageId = id.parse()?;
    match front.kept()?.pipeline.archive.state(&id).await? {
        Some(Known::Done(analysis)) => {
            let analysis = front.kept()?.pipeline.complete(*analysis).await?;
            Ok((provider_headers(&analysis, Timestamp::now()), Json(analysis)).into_response())
        }
        Some(Known::Pending) => {
            let status = Status { id, state: "pending".to_owned(), problem: None, detail: None };
            Ok(([(header::RETRY_AFTER, HeaderValue::from_static("1"))], Json(status)).into_response())
        }
        Some(Known::Failed(failure)) => {
            let (problem, detail) = (Some(failure.problem), Some(failure.detail));
            Ok(Json(Status { id, state: "failed".to_owned(), problem, detail }).into_response())
        }
        None => Err(Error::new(Kind::NotFound, "nothing is kept under this id")),
    }
}

/// Erases the analysis, its index and what was derived from the picture.
#[utoipa::path(
    delete, path = "/v1/images/{id}", params(("id" = String, Path, description = "an image id")),
    responses(
        (status = 204, description = "nothing is kept any more"),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn erase(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode> {
    let id: ImageId = id.parse()?;
    let kept = front.kept()?;
    let known = kept.pipeline.forget(kept.erase.as_ref(), &id).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Error::new(Kind::NotFound, "nothing is kept under this id")) }
}

/// The query of `GET /v1/images`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only analyses with this label, any case.
    label: Option<String>,
    /// The `cursor` of the page before.
    cursor: Option<String>,
    /// Analyses on a page, 1 to 100; 20 by default.
    limit: Option<usize>,
}

/// A page of analyses.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Listing {
    /// Newest first.
    images: Vec<Analysis>,
    /// Asks for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Lists analyses, newest first.
#[utoipa::path(
    get, path = "/v1/images", params(ListParams),
    responses(
        (status = 200, description = "a page", body = Listing),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(front): State<Front>,
    params: Result<Params<ListParams>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Listing>> {
    let Params(params) = params.map_err(|cause| Error::new(Kind::InvalidRequest, cause.body_text()))?;
    let limit = params.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Error::new(Kind::InvalidRequest, "limit is 1 to 100"));
    }
    let unsupported = || Error::new(Kind::Unsupported, "this front keeps no list; look an analysis up by its id");
    let index = front.kept()?.index.as_ref().ok_or_else(unsupported)?;
    let page = index.page(params.label.as_deref(), params.cursor.as_deref(), limit).await?;
    Ok(Json(Listing { images: page.analyses, cursor: page.cursor }))
}

/// Names who answered, and how many units were paid for since `began`: none for what was known already.
pub(super) fn provider_headers(analysis: &Analysis, began: Timestamp) -> [(HeaderName, HeaderValue); 2] {
    let provider = HeaderValue::from_str(&analysis.detector.provider).unwrap_or(HeaderValue::from_static("unknown"));
    let units: u32 = if analysis.analyzed_at < began { 0 } else { analysis.findings.billed_units.values().sum() };
    [(PROVIDER, provider), (BILLED, HeaderValue::from(units))]
}

fn prefers_async(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|preference| preference.trim().eq_ignore_ascii_case("respond-async")))
}

fn no_detector(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::DetectorFailed) && !error.is_permanent()
}
