//! What the stand-in remembers: collections, the vectors in them, and public people. Its rules are those of Amazon's reference of each
//! operation (<https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations_Amazon_Rekognition.html>).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Painted, bounds};
use crate::aws_json::Fault;

/// Operations that take no picture.
pub(super) const WITHOUT_PICTURE: [&str; 5] =
    ["CreateCollection", "ListCollections", "DeleteCollection", "ListFaces", "DeleteFaces"];
/// Pixels in a picture 1,080 high under which a face is not taken.
const SMALLEST: f64 = 40.0;
/// Entries on a page at the most, whatever is asked for, so that lists have several.
const PAGE: usize = 3;
/// How alike public people must be to those on a picture.
const KNOWN: f64 = 95.0;

/// The vectors of a collection: id, `ExternalImageId`, colour.
pub type Vectors = Vec<(String, String, [f64; 3])>;

/// Everything that is remembered.
#[derive(Debug, Default)]
pub struct Remembered {
    /// By their ids.
    pub collections: BTreeMap<String, Vectors>,
    /// Colour, name and links of public people.
    pub celebrities: Vec<([f64; 3], String, Vec<String>)>,
}

/// What is wrong with the names in a request.
pub(super) fn check(operation: &str, request: &Value) -> Result<(), String> {
    let plain = |name: &str, more: &str| {
        let text = request.get(name).and_then(Value::as_str).unwrap_or_default();
        let fits = (1..=255).contains(&text.len());
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte) || more.as_bytes().contains(&byte);
        if fits && text.bytes().all(allowed) { Ok(()) } else { Err(format!("{name} is {text:?}")) }
    };
    let only = |name: &str, wanted: Value| {
        let got = request.get(name).cloned().unwrap_or_default();
        let same = got == wanted || (got.is_number() && got.as_f64() == wanted.as_f64());
        if same { Ok(()) } else { Err(format!("{name} is {got}")) }
    };
    if !["ListCollections", "RecognizeCelebrities"].contains(&operation) && !operation.starts_with("Detect") {
        plain("CollectionId", "")?;
    }
    match operation {
        "IndexFaces" => {
            plain("ExternalImageId", ":")?;
            only("MaxFaces", json!(1))?;
            only("QualityFilter", json!("AUTO"))
        }
        "SearchFacesByImage" => {
            only("MaxFaces", json!(1))?;
            only("FaceMatchThreshold", json!(85.0))
        }
        "DeleteFaces" => match request["FaceIds"].as_array().map_or(0, Vec::len) {
            1..=4096 => Ok(()),
            count => Err(format!("{count} FaceIds")),
        },
        _ => Ok(()),
    }
}

fn missing(id: &str) -> Fault {
    ("ResourceNotFoundException", format!("The collection id: {id} does not exist"))
}

impl Remembered {
    /// The answer, where it depends on what is remembered or on who was painted.
    pub(super) fn answer(
        &mut self,
        operation: &str,
        request: &Value,
        faces: Option<&[Painted]>,
    ) -> Option<Result<Value, Fault>> {
        let id = request["CollectionId"].as_str().unwrap_or_default();
        let answer = match operation {
            "CreateCollection" => self.create(id),
            "ListCollections" => self.list(request),
            "DeleteCollection" => match self.collections.remove(id) {
                Some(_) => Ok(json!({ "StatusCode": 200 })),
                None => Err(missing(id)),
            },
            "IndexFaces" => self.index(id, request, faces.unwrap_or_default()),
            "SearchFacesByImage" => self.search(id, faces.unwrap_or_default()),
            "ListFaces" => self.faces(id, request),
            "DeleteFaces" => self.delete(id, request),
            "DetectFaces" => Ok(json!({ "FaceDetails": faces?.iter().map(detail).collect::<Vec<_>>() })),
            "RecognizeCelebrities" => Ok(self.recognize(faces?)),
            _ => return None,
        };
        Some(answer)
    }

    fn create(&mut self, id: &str) -> Result<Value, Fault> {
        if self.collections.contains_key(id) {
            return Err(("ResourceAlreadyExistsException", format!("The collection id: {id} already exists")));
        }
        self.collections.insert(id.to_owned(), Vec::new());
        Ok(
            json!({ "StatusCode": 200, "CollectionArn": format!("aws:rekognition:::collection/{id}"), "FaceModelVersion": "7.0" }),
        )
    }

    fn list(&self, request: &Value) -> Result<Value, Fault> {
        let ids: Vec<&String> = self.collections.keys().collect();
        let (page, next) = page(&ids, request)?;
        Ok(json!({ "CollectionIds": page, "FaceModelVersions": vec!["7.0"; page.len()], "NextToken": next }))
    }

    fn of(&mut self, id: &str) -> Result<&mut Vectors, Fault> {
        self.collections.get_mut(id).ok_or_else(|| missing(id))
    }

    fn index(&mut self, id: &str, request: &Value, faces: &[Painted]) -> Result<Value, Fault> {
        let vectors = self.of(id)?;
        let (good, small): (Vec<_>, Vec<_>) = faces.iter().partition(|face| face.height() >= SMALLEST);
        let why = |reason: &str, face: &Painted| json!({ "Reasons": [reason], "FaceDetail": detail(face) });
        let mut unindexed: Vec<Value> = small.into_iter().map(|face| why("SMALL_BOUNDING_BOX", face)).collect();
        unindexed.extend(good.iter().skip(1).map(|face| why("EXCEEDS_MAX_FACES", face)));
        let external = request["ExternalImageId"].as_str().unwrap_or_default();
        let records: Vec<Value> = good
            .first()
            .map(|face| {
                let face_id = Uuid::new_v4().to_string();
                vectors.push((face_id.clone(), external.to_owned(), face.colour));
                json!({ "Face": told(&face_id, external), "FaceDetail": detail(face) })
            })
            .into_iter()
            .collect();
        Ok(json!({ "FaceRecords": records, "FaceModelVersion": "7.0", "UnindexedFaces": unindexed }))
    }

    fn search(&mut self, id: &str, faces: &[Painted]) -> Result<Value, Fault> {
        let vectors = self.of(id)?;
        let Some(face) = faces.first().filter(|face| face.height() >= SMALLEST) else {
            let message = "There are no faces in the image. Should be at least 1.";
            return Err(("InvalidParameterException", message.to_owned()));
        };
        let alike = |(_, _, colour): &&(String, String, [f64; 3])| face.similarity(colour);
        let best = vectors.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
        let best = best.filter(|best| alike(best) >= 85.0);
        let matches: Vec<Value> = best
            .map(|best| json!({ "Similarity": alike(&best), "Face": told(&best.0, &best.1) }))
            .into_iter()
            .collect();
        let searched = bounds(face.bounds[0], face.bounds[1], face.bounds[2], face.bounds[3]);
        Ok(json!({
            "SearchedFaceBoundingBox": searched, "SearchedFaceConfidence": 99.98, "FaceMatches": matches,
            "FaceModelVersion": "7.0",
        }))
    }

    fn faces(&mut self, id: &str, request: &Value) -> Result<Value, Fault> {
        let vectors: Vec<_> = self.of(id)?.iter().collect();
        let (page, next) = page(&vectors, request)?;
        let faces: Vec<Value> = page.iter().map(|(face, external, _)| told(face, external)).collect();
        Ok(json!({ "Faces": faces, "FaceModelVersion": "7.0", "NextToken": next }))
    }

    fn delete(&mut self, id: &str, request: &Value) -> Result<Value, Fault> {
        let ids: Vec<String> = serde_json::from_value(request["FaceIds"].clone()).unwrap_or_default();
        self.of(id)?.retain(|(face, ..)| !ids.contains(face));
        Ok(json!({ "DeletedFaces": ids, "UnsuccessfulFaceDeletions": [] }))
    }

    fn recognize(&self, faces: &[Painted]) -> Value {
        let known = |face: &&Painted| {
            let known = self.celebrities.iter().find(|(colour, ..)| face.similarity(colour) >= KNOWN);
            known.map(|(_, name, urls)| {
                json!({ "Name": name, "Id": "1", "MatchConfidence": 99.0, "Urls": urls, "Face": detail(face) })
            })
        };
        let celebrities: Vec<Value> = faces.iter().filter_map(|face| known(&face)).collect();
        let others: Vec<Value> = faces.iter().filter(|face| known(face).is_none()).map(detail).collect();
        json!({ "CelebrityFaces": celebrities, "UnrecognizedFaces": others })
    }
}

/// A part of a list, and the token for the next one.
fn page<'a, T>(all: &'a [T], request: &Value) -> Result<(&'a [T], Option<String>), Fault> {
    let begin = match request.get("NextToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| ("InvalidPaginationTokenException", format!("{token} is no token")))?
        }
    };
    let end = all.len().min(begin + PAGE);
    let next = (end < all.len()).then(|| end.to_string());
    Ok((all.get(begin..end).unwrap_or_default(), next))
}

fn told(face: &str, external: &str) -> Value {
    json!({
        "FaceId": face, "ExternalImageId": external, "ImageId": face, "Confidence": 99.9,
        "BoundingBox": bounds(0.1, 0.1, 0.5, 0.5),
    })
}

fn detail(face: &Painted) -> Value {
    let [left, top, width, height] = face.bounds;
    json!({ "BoundingBox": bounds(left, top, width, height), "Confidence": 99.5, "Landmarks": [], "Pose": {}, "Quality": {} })
}
