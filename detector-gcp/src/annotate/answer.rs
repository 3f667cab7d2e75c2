//! The answer: what a detector found, in Google's JSON. Only what Crosslens knows is written; lists that are empty are left
//! out, as Google leaves them out.

use common::{
    analysis::{Analysis, BoundingBox, Colour, Face, Feature, Label, Likelihood, Named, SafeSearch, Text},
    error::Error,
};
use serde::Serialize;
use url::form_urlencoded;

use super::{request::Asked, status::Status};

/// How enums are written: `$alt=json;enum-encoding=int` in the query asks for integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Names,
    Integers,
}

impl Encoding {
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let integers = |value: &str| value.split(';').any(|option| option == "enum-encoding=int");
        match pairs.any(|(name, value)| matches!(&*name, "$alt" | "alt") && integers(&value)) {
            true => Self::Integers,
            false => Self::Names,
        }
    }

    fn word(self, name: &'static str, integer: u8) -> Word {
        match self {
            Self::Names => Word::Name(name),
            Self::Integers => Word::Integer(integer),
        }
    }

    fn likelihood(self, likelihood: Likelihood) -> Word {
        match likelihood {
            Likelihood::Unknown => self.word("UNKNOWN", 0),
            Likelihood::VeryUnlikely => self.word("VERY_UNLIKELY", 1),
            Likelihood::Unlikely => self.word("UNLIKELY", 2),
            Likelihood::Possible => self.word("POSSIBLE", 3),
            Likelihood::Likely => self.word("LIKELY", 4),
            Likelihood::VeryLikely => self.word("VERY_LIKELY", 5),
        }
    }
}

/// An enum's value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Word {
    Name(&'static str),
    Integer(u8),
}

/// `AnnotateImageResponse`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    face_annotations: Vec<FaceAnnotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    landmark_annotations: Vec<Entity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    label_annotations: Vec<Entity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    text_annotations: Vec<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_text_annotation: Option<FullText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_search_annotation: Option<SafeSearchAnnotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_properties_annotation: Option<ImageProperties>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Status>,
}

impl Answer {
    pub(super) fn of(analysis: &Analysis, asked: &Asked, encoding: Encoding) -> Self {
        let found = &analysis.findings;
        let picture = Picture { width: analysis.width, height: analysis.height };
        let labels = found.labels.iter().flatten().map(Entity::label);
        let faces = found.faces.iter().flatten().map(|face| FaceAnnotation::of(face, picture));
        let landmarks = found.landmarks.iter().flatten().map(|named| Entity::named(named, picture));
        let text = found.text.as_ref().filter(|text| !text.content.is_empty());
        let colours = found.properties.as_deref().map(|colours| properties(colours, asked.most(Feature::Properties)));
        Self {
            face_annotations: faces.take(asked.most(Feature::Faces)).collect(),
            landmark_annotations: landmarks.take(asked.most(Feature::Landmarks)).collect(),
            label_annotations: labels.take(asked.most(Feature::Labels)).collect(),
            text_annotations: text.iter().map(|text| Entity::text(text, picture)).collect(),
            full_text_annotation: text.map(|text| FullText::of(text, picture, encoding)),
            safe_search_annotation: found.safe_search.as_ref().map(|found| SafeSearchAnnotation::of(found, encoding)),
            image_properties_annotation: colours,
            error: None,
        }
    }

    pub(super) fn failed(error: &Error) -> Self {
        Self { error: Some(Status::of(error)), ..Self::default() }
    }
}

/// The upright original, in whose pixels places are told.
#[derive(Debug, Clone, Copy)]
struct Picture {
    width: u32,
    height: u32,
}

impl Picture {
    fn polygon(self, bounds: &BoundingBox) -> Polygon {
        // A float becomes the nearest integer of its range, and one that is no number becomes 0.
        let x = |part: f32| (part.clamp(0.0, 1.0) * self.width as f32).round() as u32;
        let y = |part: f32| (part.clamp(0.0, 1.0) * self.height as f32).round() as u32;
        let (left, right) = (x(bounds.left), x(bounds.left + bounds.width));
        let (top, bottom) = (y(bounds.top), y(bounds.top + bounds.height));
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        Polygon { vertices: corners.map(|(x, y)| Vertex { x, y }) }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Polygon {
    vertices: [Vertex; 4],
}

#[derive(Debug, Clone, Serialize)]
struct Vertex {
    x: u32,
    y: u32,
}

/// `EntityAnnotation`: a label, a landmark, or a text.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<String>,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topicality: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounding_poly: Option<Polygon>,
}

impl Entity {
    /// Google gives a label's score as its topicality as well.
    fn label(label: &Label) -> Self {
        let score = Some(label.score);
        Self {
            mid: label.mid.clone(),
            description: label.description.clone(),
            score,
            topicality: score,
            bounding_poly: None,
        }
    }

    fn named(named: &Named, picture: Picture) -> Self {
        let bounding_poly = named.bounds.as_ref().map(|bounds| picture.polygon(bounds));
        Self { description: named.description.clone(), score: Some(named.score), bounding_poly, ..Self::default() }
    }

    /// All the writing as one, which is the first of Google's; the single words that follow it there are not known here.
    fn text(text: &Text, picture: Picture) -> Self {
        let bounding_poly = around(&text.blocks).map(|bounds| picture.polygon(&bounds));
        Self { description: text.content.clone(), bounding_poly, ..Self::default() }
    }
}

/// The smallest box around these.
fn around(boxes: &[BoundingBox]) -> Option<BoundingBox> {
    let left = boxes.iter().map(|one| one.left).reduce(f32::min)?;
    let top = boxes.iter().map(|one| one.top).reduce(f32::min)?;
    let right = boxes.iter().map(|one| one.left + one.width).reduce(f32::max)?;
    let bottom = boxes.iter().map(|one| one.top + one.height).reduce(f32::max)?;
    Some(BoundingBox { left, top, width: right - left, height: bottom - top })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FaceAnnotation {
    bounding_poly: Polygon,
    fd_bounding_poly: Polygon,
    detection_confidence: f32,
}

impl FaceAnnotation {
    fn of(face: &Face, picture: Picture) -> Self {
        let polygon = picture.polygon(&face.bounds);
        Self { bounding_poly: polygon.clone(), fd_bounding_poly: polygon, detection_confidence: face.score }
    }
}

/// `TextAnnotation`: pages, here always one, down to their blocks.
#[derive(Debug, Serialize)]
struct FullText {
    pages: [Page; 1],
    text: String,
}

#[derive(Debug, Serialize)]
struct Page {
    width: u32,
    height: u32,
    blocks: Vec<Block>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    bounding_box: Polygon,
    block_type: Word,
}

impl FullText {
    fn of(text: &Text, picture: Picture, encoding: Encoding) -> Self {
        let block = |bounds| Block { bounding_box: picture.polygon(bounds), block_type: encoding.word("TEXT", 1) };
        let blocks = text.blocks.iter().map(block).collect();
        Self { pages: [Page { width: picture.width, height: picture.height, blocks }], text: text.content.clone() }
    }
}

#[derive(Debug, Serialize)]
struct SafeSearchAnnotation {
    adult: Word,
    spoof: Word,
    medical: Word,
    violence: Word,
    racy: Word,
}

impl SafeSearchAnnotation {
    fn of(found: &SafeSearch, encoding: Encoding) -> Self {
        Self {
            adult: encoding.likelihood(found.adult),
            spoof: encoding.likelihood(found.spoof),
            medical: encoding.likelihood(found.medical),
            violence: encoding.likelihood(found.violence),
            racy: encoding.likelihood(found.racy),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageProperties {
    dominant_colors: DominantColors,
}

#[derive(Debug, Serialize)]
struct DominantColors {
    colors: Vec<ColorInfo>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ColorInfo {
    color: Color,
    pixel_fraction: f32,
}

#[derive(Debug, Serialize)]
struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

fn properties(colours: &[Colour], most: usize) -> ImageProperties {
    let info = |colour: &Colour| {
        let [_, red, green, blue] = u32::from_str_radix(colour.rgb.strip_prefix('#')?, 16).ok()?.to_be_bytes();
        Some(ColorInfo { color: Color { red, green, blue }, pixel_fraction: colour.fraction })
    };
    let colors = colours.iter().filter_map(info).take(most).collect();
    ImageProperties { dominant_colors: DominantColors { colors } }
}

#[cfg(test)]
mod tests;
