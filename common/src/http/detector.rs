//! `POST /v1/detect`: the detector service, which keeps nothing and publishes nothing.

use axum::{
    Json,
    extract::{Query as Params, Request, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::{
    Context, Front,
    detect::request,
    images::{self, ImageParams},
    problem::Problem,
};
use crate::{
    analysis::Analysis,
    error::{Error, Kind, Result},
    request::ImageSource,
};

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
    let (source, query) = images::read(&front, &headers, params, body).await?;
    let request = request(source, query, &context, &headers)?;
    let pipeline = &front.pipeline;
    let bytes = match &request.source {
        ImageSource::Bytes(bytes) => bytes.clone(),
        source => pipeline.fetch.fetch(source).await?,
    };
    let image = pipeline.intake.admit(bytes)?;
    let started = Instant::now();
    let detect = pipeline.detect.detect(&image, &request.query.features, request.time_left());
    let late = |_| Error::new(Kind::DeadlineExceeded, "the detector did not answer in time");
    let detection = timeout_at(request.deadline, detect).await.map_err(late)??;
    let id = request.id(pipeline.cloud, image.digest());
    let analysis = Analysis::of(id, &request, &image, detection, started);
    let analysis = analysis.truncated(request.query.max_labels);
    Ok((images::provider_header(&analysis), Json(analysis)).into_response())
}
