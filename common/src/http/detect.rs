//! `GET /detect`: one URL in, labels out, as JSON or as one line of text.

use axum::{
    Json,
    extract::{Query as Params, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Context, Front, images, problem::Problem};
use crate::{
    analysis::{Analysis, Features},
    error::{Error, Kind, Result},
    request::{ImageRequest, ImageSource, Query},
    source::SourceUrl,
};

/// The query of `/detect`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct DetectParams {
    /// The picture's `http` or `https` URL; without it the built-in sample is analysed.
    image_uri: Option<String>,
    /// What to find, joined by commas; `labels` by default.
    features: Option<String>,
    /// What to find as well, joined by commas, and may come later: what cannot be told now is `pending`.
    later: Option<String>,
    /// The most labels to return, 1 to 100; 10 by default.
    max_labels: Option<u16>,
    /// `false` publishes no event.
    publish: Option<bool>,
}

/// The answer of `/detect`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detected {
    /// The URL that was asked for, without its query, or the sample's name.
    image_analyzed: String,
    /// `Image Results: espresso, cup`.
    message: String,
    /// `Smooth sailing!`, or that the sample was taken.
    report: String,
    /// All that was found.
    analysis: Analysis,
}

/// Labels the picture at a URL.
#[utoipa::path(
    get, path = "/detect", params(DetectParams),
    responses(
        (status = 200, description = "what the picture shows", body = Detected),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn detect(
    State(front): State<Front>,
    context: Context,
    headers: HeaderMap,
    params: Result<Params<DetectParams>, axum::extract::rejection::QueryRejection>,
) -> Result<Response> {
    let Params(params) = params.map_err(|cause| Error::new(Kind::InvalidRequest, cause.body_text()))?;
    let query = query(params.features.as_deref(), params.later.as_deref(), params.max_labels, params.publish)?;
    let (source, image_analyzed, report) = match params.image_uri.as_deref().filter(|uri| !uri.is_empty()) {
        Some(uri) => {
            let url = SourceUrl::parse(uri)?;
            let shown = url.shown();
            (ImageSource::Url(url), shown, "Smooth sailing!".to_owned())
        }
        None => {
            let name = front.sample.name;
            let report = format!("No imageUri param passed. Using {name} as imageUri");
            (ImageSource::Bytes(Bytes::from_static(front.sample.bytes)), name.to_owned(), report)
        }
    };
    let began = jiff::Timestamp::now();
    let analysis = images::process(&front, request(source, query, &context, &headers)?).await?;
    let provider = images::provider_headers(&analysis, began);
    let message = analysis.message();
    if wants_text(&headers) {
        return Ok((provider, message).into_response());
    }
    Ok((provider, Json(Detected { image_analyzed, message, report, analysis })).into_response())
}

/// The questions, as they stand in a query or a JSON body.
pub(super) fn query(
    features: Option<&str>,
    later: Option<&str>,
    max_labels: Option<u16>,
    publish: Option<bool>,
) -> Result<Query> {
    let features: Features = features.map(str::parse).transpose()?.unwrap_or_default();
    let later: Option<Features> = later.filter(|later| !later.is_empty()).map(str::parse).transpose()?;
    Ok(Query::new(features, max_labels, publish.unwrap_or(true))?.with_later(later))
}

/// A request of this caller about this source, under the caller's own name for it where it gives one.
pub(super) fn request(
    source: ImageSource,
    query: Query,
    context: &Context,
    headers: &HeaderMap,
) -> Result<ImageRequest> {
    Ok(ImageRequest { idempotency_key: idempotency_key(headers)?, ..context.about(source, query) })
}

/// The caller's own name for a request, where it gives one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let key = headers.get("idempotency-key").map(|value| match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(Error::new(Kind::InvalidRequest, "an Idempotency-Key is 1 to 255 visible ASCII characters")),
    });
    key.transpose()
}

/// Whether text is asked for before JSON.
fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let position = |media: &str| accept.split(',').position(|part| part.trim().split(';').next() == Some(media));
    match (position("text/plain"), position("application/json")) {
        (Some(text), Some(json)) => text < json,
        (text, None) => text.is_some(),
        _ => false,
    }
}
