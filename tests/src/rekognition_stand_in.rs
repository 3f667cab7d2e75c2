//! A stand-in for Amazon Rekognition, of which no emulator is to be had: it has no eyes, but it speaks the JSON protocol, checks
//! signature and picture of every call as the service would, and answers in the service's shapes. Who is in a picture depends
//! on who asks: each operation has an answer of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Cursor,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use image::{ImageFormat, ImageReader};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::boto::REGION;
use crate::sigv4::Signed;

const LARGEST: usize = 5 << 20;

/// A call that was found good.
#[derive(Debug, Clone)]
pub struct Asked {
    /// As in `DetectLabels`.
    pub operation: String,
    /// The request without the picture.
    pub request: Value,
    /// The picture's bytes.
    pub picture: Bytes,
    /// The picture's width and height.
    pub size: (u32, u32),
}

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct RekognitionStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Shared {
    asked: Vec<Asked>,
    faults: Vec<String>,
    next: BTreeMap<String, VecDeque<(u16, Value)>>,
}

impl RekognitionStandIn {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared: Arc::default(), gate: Arc::new(watch::Sender::new(true)) };
        let routes = Router::new().fallback(answer).layer(DefaultBodyLimit::max(64 << 20)).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next call of this operation with this status and JSON.
    pub fn next(&self, operation: &str, status: u16, body: Value) {
        self.shared().next.entry(operation.to_owned()).or_default().push_back((status, body));
    }

    /// Answers nobody until [`Self::release`].
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Answers whoever waits, and whoever comes.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// The calls so far, of which nothing was wrong.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared().asked.clone()
    }

    /// What was wrong with calls so far.
    pub fn faults(&self) -> Vec<String> {
        self.shared().faults.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    State(stand_in): State<RekognitionStandIn>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = match check(&method, &uri, &headers, &body) {
        Ok(asked) => asked,
        Err((kind, fault)) => {
            stand_in.shared().faults.push(fault.clone());
            return reply(400, &json!({ "__type": kind, "Message": fault }));
        }
    };
    let operation = asked.operation.clone();
    let (status, body) = {
        let mut shared = stand_in.shared();
        shared.asked.push(asked);
        let told = shared.next.get_mut(&operation).and_then(VecDeque::pop_front);
        told.unwrap_or_else(|| (200, seen_by(&operation)))
    };
    let mut gate = stand_in.gate.subscribe();
    let _ = gate.wait_for(|open| *open).await;
    reply(status, &body)
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (status, headers, Body::from(body.to_string())).into_response()
}

/// Signature, protocol, picture; the kind of error is the service's own.
fn check(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Asked, (&'static str, String)> {
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
    };
    let headers: BTreeMap<String, String> = headers.iter().map(text).collect();
    let get = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let signed = Signed {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: headers.clone(),
        body,
        region: REGION,
        service: "rekognition",
    };
    signed.check().map_err(|fault| ("InvalidSignatureException", fault))?;
    let invalid = |fault: String| ("InvalidParameterException", fault);
    if get("content-type") != "application/x-amz-json-1.1" {
        return Err(invalid(format!("the content type is {}", get("content-type"))));
    }
    let target = get("x-amz-target");
    let operation = target.strip_prefix("RekognitionService.").ok_or_else(|| invalid(format!("target {target}")))?;
    let mut request: Value = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    let picture = request.pointer_mut("/Image/Bytes").map(Value::take).unwrap_or_default();
    let picture = data_encoding::BASE64.decode(picture.as_str().unwrap_or_default().as_bytes());
    let picture = picture.map_err(|error| invalid(format!("the picture is not Base64: {error}")))?;
    if picture.len() > LARGEST {
        return Err(("ImageTooLargeException", format!("{} bytes", picture.len())));
    }
    let bad = |fault: String| ("InvalidImageFormatException", fault);
    let format = image::guess_format(&picture).map_err(|error| bad(error.to_string()))?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
        return Err(bad(format!("{format:?} is neither JPEG nor PNG")));
    }
    let pixels =
        ImageReader::with_format(Cursor::new(&picture), format).decode().map_err(|error| bad(error.to_string()))?;
    let size = (pixels.width(), pixels.height());
    if size.0.min(size.1) < 80 || size.0.max(size.1) > 10_000 {
        return Err(invalid(format!("{size:?} pixels")));
    }
    Ok(Asked { operation: operation.to_owned(), request, picture: picture.into(), size })
}

fn bounds(left: f64, top: f64, width: f64, height: f64) -> Value {
    json!({ "Left": left, "Top": top, "Width": width, "Height": height })
}

/// What each operation sees: in the shapes of Amazon's own examples, with a face that is cut off by the edge and writing that
/// is not English.
fn seen_by(operation: &str) -> Value {
    match operation {
        "DetectLabels" => json!({
            "LabelModelVersion": "3.0",
            "Labels": [
                { "Name": "Cup", "Confidence": 71.5, "Instances": [], "Parents": [], "Aliases": [], "Categories": [] },
                { "Name": "Espresso", "Confidence": 98.25, "Instances": [{ "BoundingBox": bounds(0.1, 0.1, 0.5, 0.5), "Confidence": 98.25 }],
                  "Parents": [{ "Name": "Beverage" }], "Aliases": [{ "Name": "Caffè" }], "Categories": [{ "Name": "Food and Beverage" }] },
            ],
        }),
        "DetectModerationLabels" => json!({
            "ModerationModelVersion": "7.0",
            "ModerationLabels": [
                { "Name": "Violence", "ParentName": "", "Confidence": 80.0, "TaxonomyLevel": 1 },
                { "Name": "Weapons", "ParentName": "Violence", "Confidence": 80.0, "TaxonomyLevel": 2 },
                { "Name": "Swimwear or Underwear", "ParentName": "", "Confidence": 30.0, "TaxonomyLevel": 1 },
            ],
            "ContentTypes": [],
        }),
        "DetectFaces" => json!({
            "FaceDetails": [
                { "BoundingBox": bounds(0.5, 0.5, 0.1, 0.1), "Confidence": 99.5, "Landmarks": [], "Pose": {}, "Quality": {} },
                { "BoundingBox": bounds(-0.1, 0.25, 0.5, 0.5), "Confidence": 90.0, "Landmarks": [], "Pose": {}, "Quality": {} },
            ],
        }),
        "RecognizeCelebrities" => json!({
            "CelebrityFaces": [
                { "Name": "Zoë Example", "Id": "1", "MatchConfidence": 88.0, "Urls": [],
                  "Face": { "BoundingBox": bounds(0.5, 0.5, 0.1, 0.1), "Confidence": 99.5 } },
                { "Name": "Jan Example", "Id": "2", "MatchConfidence": 97.0, "Urls": [],
                  "Face": { "BoundingBox": bounds(0.1, 0.1, 0.1, 0.1), "Confidence": 99.5 } },
            ],
            "UnrecognizedFaces": [{ "BoundingBox": bounds(0.0, 0.0, 0.1, 0.1), "Confidence": 80.0 }],
        }),
        "DetectText" => json!({
            "TextModelVersion": "3.0",
            "TextDetections": [
                { "DetectedText": "Grüße aus", "Type": "LINE", "Id": 0, "Confidence": 99.0, "Geometry": { "BoundingBox": bounds(0.1, 0.1, 0.5, 0.1), "Polygon": [] } },
                { "DetectedText": "北京", "Type": "LINE", "Id": 1, "Confidence": 99.0, "Geometry": { "BoundingBox": bounds(0.1, 0.3, 0.5, 0.1), "Polygon": [] } },
                { "DetectedText": "Grüße", "Type": "WORD", "Id": 2, "ParentId": 0, "Confidence": 99.0, "Geometry": { "BoundingBox": bounds(0.1, 0.1, 0.2, 0.1), "Polygon": [] } },
            ],
        }),
        _ => json!({}),
    }
}
