//! Requests that API Gateway, a function URL or a load balancer hands over: the routes of every front, asked in process.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use common::{
    compute::contained,
    detectors::DEADLINE_HEADER,
    error::{Error, Kind, Result, internal},
    request::Caller,
};
use http::{HeaderValue, Request, Response, Uri};
use lambda_http::{
    Adapter, LambdaEvent, Service as _,
    request::{LambdaRequest, RequestContext},
};
use serde_json::value::{RawValue, to_raw_value};
use tower::{ServiceExt as _, service_fn};

/// What is kept of the invocation for saying how a request ended.
const RESERVE: Duration = Duration::from_millis(500);

/// Answers one request, in the form that its sender understands.
///
/// # Errors
/// `invalid-request` for an event that no request can be made of. Everything else is an HTTP answer.
pub(super) async fn answer(routes: Router, event: LambdaEvent<&str>, time_left: Duration) -> Result<Box<RawValue>> {
    let LambdaEvent { payload, context } = event;
    let request: LambdaRequest = serde_json::from_str(payload).map_err(|cause| unusable().because(cause))?;
    let ask = service_fn(move |request: lambda_http::Request| {
        let routes = routes.clone();
        async move {
            let response: Response<Body> = match own_form(request, time_left) {
                // A router answers everything, its own failures included.
                Ok(request) => routes.oneshot(request).await.unwrap_or_else(|never| match never {}),
                Err(error) => error.into_response(),
            };
            Ok::<_, Infallible>(response)
        }
    });
    // The library makes a URL of the `Host` header, the path and the scheme that the event tells, and panics where the three
    // do not make one: all of them are a stranger's to choose.
    let event = LambdaEvent { payload: request, context };
    let answer = contained(|| Adapter::from(ask).call(event)).map_err(|_| unusable())?;
    let answer = answer.await.unwrap_or_else(|never| match never {});
    to_raw_value(&answer).map_err(internal)
}

/// The request as a server on a port would see it: the path without the stage, who signed it, and until when.
fn own_form(mut request: lambda_http::Request, time_left: Duration) -> Result<Request<Body>> {
    let context = request.extensions_mut().remove::<RequestContext>();
    let uri = without_stage(request.uri(), context.as_ref().and_then(stage))?;
    *request.uri_mut() = uri;
    if let Some(caller) = context.as_ref().and_then(caller) {
        request.extensions_mut().insert(caller);
    }
    let most = time_left.saturating_sub(RESERVE).as_millis();
    let asked = request.headers().get(DEADLINE_HEADER).and_then(|value| value.to_str().ok()?.parse::<u128>().ok());
    let deadline = HeaderValue::from_str(&asked.map_or(most, |asked| asked.min(most)).to_string()).map_err(internal)?;
    request.headers_mut().insert(DEADLINE_HEADER, deadline);
    let (parts, body) = request.into_parts();
    let body = match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    Ok(Request::from_parts(parts, body))
}

/// API Gateway's stage is no part of our paths.
fn without_stage(uri: &Uri, stage: Option<&str>) -> Result<Uri> {
    let full = uri.path_and_query().map_or("/", |path| path.as_str());
    let stripped = stage
        .filter(|stage| *stage != "$default")
        .and_then(|stage| full.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'));
    stripped.unwrap_or(full).parse().map_err(|cause| unusable().because(cause))
}

fn stage(context: &RequestContext) -> Option<&str> {
    match context {
        RequestContext::ApiGatewayV1(context) => context.stage.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.stage.as_deref(),
        _ => None,
    }
}

/// Whom AWS has authenticated: the IAM principal that signed, or the subject of the token that an authorizer accepted.
fn caller(context: &RequestContext) -> Option<Caller> {
    let authorizer = context.authorizer();
    let iam = authorizer.and_then(|authorizer| authorizer.iam.as_ref()?.user_arn.clone());
    let subject = authorizer.and_then(|authorizer| authorizer.jwt.as_ref()?.claims.get("sub").cloned());
    let principal = authorizer.and_then(|authorizer| Some(authorizer.fields.get("principalId")?.as_str()?.to_owned()));
    let signed = match context {
        RequestContext::ApiGatewayV1(context) => context.identity.user_arn.clone(),
        _ => None,
    };
    [iam, signed, subject, principal].into_iter().flatten().find(|name| !name.is_empty()).map(Caller)
}

fn unusable() -> Error {
    Error::new(Kind::InvalidRequest, "the event holds no request that could be answered")
}
