//! A stand-in for Amazon Rekognition, of which no emulator is to be had: it has no eyes, but it checks the picture of every call as
//! the service would, and answers in the service's shapes. In a photograph each operation sees what it always sees; in a picture
//! that was painted for it (`painted`) it sees who is on it. Collections and what is in them it remembers (`collections`).

mod collections;
mod painted;

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, ImageReader};
use serde_json::{Value, json};

use crate::aws_json::{AwsJsonStandIn, Fault, Spoken};

pub use collections::{Remembered, Vectors};
pub use painted::{Painted, painted};

const LARGEST: usize = 5 << 20;

/// The stand-in.
pub type RekognitionStandIn = AwsJsonStandIn<Asked>;

/// A call that was found good.
#[derive(Debug, Clone)]
pub struct Asked {
    /// As in `DetectLabels`.
    pub operation: String,
    /// The request without the picture.
    pub request: Value,
    /// The picture's bytes; empty where the operation takes none.
    pub picture: Bytes,
    /// The picture's width and height.
    pub size: (u32, u32),
    /// The faces on a picture that was painted; `None` on any other.
    faces: Option<Vec<Painted>>,
}

impl Spoken for Asked {
    const SERVICE: &'static str = "rekognition";
    const TARGET: &'static str = "RekognitionService.";
    const INVALID: &'static str = "InvalidParameterException";

    type State = Remembered;

    fn read(operation: &str, mut request: Value) -> Result<Self, Fault> {
        let invalid = |fault: String| (Self::INVALID, fault);
        collections::check(operation, &request).map_err(invalid)?;
        if request.get("Image").is_none() && collections::WITHOUT_PICTURE.contains(&operation) {
            let operation = operation.to_owned();
            return Ok(Self { operation, request, picture: Bytes::new(), size: (0, 0), faces: None });
        }
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
        let faces = painted::faces(&pixels.to_rgb8());
        Ok(Self { operation: operation.to_owned(), request, picture: picture.into(), size, faces })
    }

    fn answer(&self, state: &mut Remembered) -> Result<Value, Fault> {
        match state.answer(&self.operation, &self.request, self.faces.as_deref()) {
            Some(answer) => answer,
            None => Ok(seen_by(&self.operation)),
        }
    }
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
