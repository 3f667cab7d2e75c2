//! The Vision-compatible face: Google's v1 REST request and response, whatever detector is behind it.
//!
//! # Layout, in reading order
//! Below is one call's way: `request` reads Google's JSON, every image is looked at like any other request, and `answer`
//! writes Google's JSON. `status` is the one table from our errors to Google's.
//!
//! A call that cannot be read fails as a whole; otherwise it is answered 200 and every image has its answer or its own error.
//! What a detector cannot tell is absent from an image's answer, as Google documents it, unless nothing else was asked.

mod answer;
mod request;
mod status;

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::map_response,
    routing::post,
};
use common::{
    analysis::MAX_LABELS,
    compute,
    error::{Result, internal},
    http::{Context, Front, bounded, layers},
    look::Look,
    request::Query,
};
use futures_util::future::join_all;
use http::Uri;
use serde::Serialize;
use tracing::warn;

use self::answer::{Answer, Encoding};
pub use self::request::{Asked, parse};

/// The longest body that Google takes, in bytes.
const MAX_BODY: usize = 41_943_040;

/// `POST /v1/images:annotate`.
pub fn routes(front: &Front) -> Router {
    let routes = Router::new().route("/v1/images:annotate", post(annotate)).with_state(front.look.clone());
    // One call is one request for admission, however many images it has: what bounds their work is the memory budget and the
    // threads that decode, which all requests share.
    layers::admitted(routes, &front.admission, front.deadline).layer(map_response(status::worded))
}

#[derive(Serialize)]
struct Answers {
    responses: Vec<Answer>,
}

async fn annotate(State(look): State<Look>, context: Context, uri: Uri, body: Request) -> Result<Json<Answers>> {
    let body = bounded(body, MAX_BODY).await?;
    // Forty megabytes of base64 keep a core busy for a while.
    let parsed = compute::shared()?.run(move || parse(&body)).await;
    let images = parsed.map_err(|compute::Panicked(text)| internal(text))??;
    let encoding = Encoding::of(uri.query());
    let responses = join_all(images.iter().map(|asked| one(&look, &context, asked, encoding))).await;
    Ok(Json(Answers { responses }))
}

/// An image's answer, or its own error.
async fn one(look: &Look, context: &Context, asked: &Asked, encoding: Encoding) -> Answer {
    annotated(look, context, asked, encoding).await.unwrap_or_else(|error| {
        let cause = error.causes();
        warn!(%error, cause, "image refused");
        Answer::failed(&error)
    })
}

async fn annotated(look: &Look, context: &Context, asked: &Asked, encoding: Encoding) -> Result<Answer> {
    let source = asked.source.clone()?;
    let features = asked.features()?;
    // All labels are asked for: how many are told is cut in the answer, like everything else.
    let request = context.about(source, Query::new(features, Some(MAX_LABELS), false)?);
    let analysis = look.once(&request).await?;
    asked.told(&analysis.findings.unsupported)?;
    Ok(Answer::of(&analysis, asked, encoding))
}
