//! `POST /v1/detect`: the detector service, which keeps nothing and publishes nothing.

use axum::{
    Json,
    extract::{Query as Params, Request, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;

use super::{
    Context, Front,
    detect::request,
    images::{self, ImageParams},
    problem::Problem,
};
use crate::{analysis::Analysis, error::Result};

/// Answers what is in a picture, for another front.
#[utoipa::path(
    post, path = "/v1/detect", operation_id = "detect_only", params(ImageParams),
    request_body(description = "the picture's bytes, or JSON with imageUri", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "what the picture shows", body = Analysis),
        (status = "default", description = "a problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn detect(
    State(front): State<Front>,
    context: Context,
    headers: HeaderMap,
    params: Result<Params<ImageParams>, axum::extract::rejection::QueryRejection>,
    body: Request,
) -> Result<Response> {
    let began = jiff::Timestamp::now();
    let (source, query) = images::read(&front, &headers, params, body).await?;
    let request = request(source, query, &context, &headers)?;
    let analysis = front.look.once(&request).await?;
    Ok((images::provider_headers(&analysis, began), Json(analysis)).into_response())
}
