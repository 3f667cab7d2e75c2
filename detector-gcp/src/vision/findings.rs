//! Vision's answer about one image, in the domain's words.

use common::{
    analysis::{
        BoundingBox, Colour, Face, Feature, Features, Findings, Label, Likelihood, MAX_LABELS, Named, SafeSearch, Text,
    },
    error::{Error, Kind, Result},
};
use google_cloud_rpc::model::Status;
use google_cloud_vision_v1::model::{
    AnnotateImageResponse, BoundingPoly, ColorInfo, EntityAnnotation, FaceAnnotation, Likelihood as Theirs,
    SafeSearchAnnotation,
};

use super::{UNSUPPORTED, question::Question};

/// What is said when nothing was asked that Vision can tell.
pub(super) fn nothing_asked(features: &Features) -> Findings {
    Findings { unsupported: features.iter().collect(), ..Findings::default() }
}

/// Reads the answer about a picture that was sent with this width and height.
///
/// # Errors
/// The image's own error, classified; `detector-failed` where Vision did not look at what it was asked for.
pub(super) fn read(question: &Question, answer: AnnotateImageResponse, sent: (u32, u32)) -> Result<Findings> {
    if let Some(status) = answer.error.as_ref().filter(|status| status.code != 0) {
        return Err(fault(status));
    }
    let asked = |feature| question.features().contains(feature);
    let safe_search = answer.safe_search_annotation.as_ref().map(safe_search);
    // An empty list is only a result where something says that Vision has looked: see `Question::about`.
    let unseen = asked(Feature::Labels) && answer.label_annotations.is_empty() && safe_search.is_none();
    let unsafe_unknown = asked(Feature::SafeSearch) && safe_search.is_none();
    if unseen || unsafe_unknown {
        return Err(Error::new(Kind::DetectorFailed, "Vision said nothing about this image"));
    }
    let scale = Scale(sent);
    let colours = answer.image_properties_annotation.and_then(|properties| properties.dominant_colors);
    let pages = answer.full_text_annotation.iter().flat_map(|text| &text.pages);
    let blocks = pages.flat_map(|page| &page.blocks).filter_map(|block| scale.bounds(block.bounding_box.as_ref()?));
    let text = || Text {
        content: answer.text_annotations.first().map(|text| text.description.clone()).unwrap_or_default(),
        blocks: blocks.collect(),
    };
    Ok(Findings {
        labels: asked(Feature::Labels).then(|| labels(&answer.label_annotations)),
        safe_search: safe_search.filter(|_| asked(Feature::SafeSearch)),
        faces: asked(Feature::Faces).then(|| faces(&answer.face_annotations, &scale)),
        landmarks: asked(Feature::Landmarks).then(|| named(&answer.landmark_annotations, &scale)),
        celebrities: None,
        text: asked(Feature::Text).then(text),
        properties: asked(Feature::Properties).then(|| colours.map(|all| properties(&all.colors)).unwrap_or_default()),
        unsupported: question.features().iter().filter(|feature| UNSUPPORTED.contains(feature)).collect(),
        pending: Vec::new(),
        billed_units: question.billed().clone(),
    })
}

/// Where Vision's errors about one image are classified, by the codes of google.rpc.Code.
fn fault(status: &Status) -> Error {
    let (kind, message) = match status.code {
        3 => (Kind::UndecodableImage, "Vision cannot decode the image"),
        4 => (Kind::DeadlineExceeded, "Vision did not look at the image in time"),
        8 => (Kind::RateLimited, "Vision's quota is used up"),
        14 => (Kind::Unavailable, "Vision cannot answer now"),
        _ => (Kind::DetectorFailed, "Vision failed on the image"),
    };
    Error::new(kind, message).because(format!("code {}: {}", status.code, status.message))
}

fn labels(annotations: &[EntityAnnotation]) -> Vec<Label> {
    let label = |annotation: &EntityAnnotation| Label {
        description: annotation.description.clone(),
        score: fraction(annotation.score),
        mid: Some(annotation.mid.clone()).filter(|mid| !mid.is_empty()),
    };
    let mut labels: Vec<Label> = annotations.iter().map(label).collect();
    labels.sort_by(|one, other| other.score.total_cmp(&one.score));
    labels.truncate(usize::from(MAX_LABELS));
    labels
}

fn safe_search(annotation: &SafeSearchAnnotation) -> SafeSearch {
    SafeSearch {
        adult: likelihood(&annotation.adult),
        violence: likelihood(&annotation.violence),
        racy: likelihood(&annotation.racy),
        medical: likelihood(&annotation.medical),
        spoof: likelihood(&annotation.spoof),
    }
}

fn likelihood(theirs: &Theirs) -> Likelihood {
    match theirs {
        Theirs::VeryUnlikely => Likelihood::VeryUnlikely,
        Theirs::Unlikely => Likelihood::Unlikely,
        Theirs::Possible => Likelihood::Possible,
        Theirs::Likely => Likelihood::Likely,
        Theirs::VeryLikely => Likelihood::VeryLikely,
        _ => Likelihood::Unknown,
    }
}

fn faces(annotations: &[FaceAnnotation], scale: &Scale) -> Vec<Face> {
    // The tight box around the skin where there is one, else the one around the head.
    let face = |annotation: &FaceAnnotation| {
        let poly = annotation.fd_bounding_poly.as_ref().or(annotation.bounding_poly.as_ref())?;
        Some(Face { bounds: scale.bounds(poly)?, score: fraction(annotation.detection_confidence) })
    };
    let mut faces: Vec<Face> = annotations.iter().filter_map(face).collect();
    let area = |face: &Face| face.bounds.width * face.bounds.height;
    faces.sort_by(|one, other| area(other).total_cmp(&area(one)));
    faces
}

fn named(annotations: &[EntityAnnotation], scale: &Scale) -> Vec<Named> {
    let place = |annotation: &EntityAnnotation| Named {
        description: annotation.description.clone(),
        score: fraction(annotation.score),
        bounds: annotation.bounding_poly.as_ref().and_then(|poly| scale.bounds(poly)),
    };
    let mut places: Vec<Named> = annotations.iter().map(place).collect();
    places.sort_by(|one, other| other.score.total_cmp(&one.score));
    places
}

fn properties(colours: &[ColorInfo]) -> Vec<Colour> {
    let colour = |info: &ColorInfo| {
        let color = info.color.as_ref()?;
        let [red, green, blue] = [color.red, color.green, color.blue].map(|part| part.clamp(0.0, 255.0).round() as u8);
        Some(Colour { rgb: format!("#{red:02x}{green:02x}{blue:02x}"), fraction: fraction(info.pixel_fraction) })
    };
    let mut colours: Vec<Colour> = colours.iter().filter_map(colour).collect();
    colours.sort_by(|one, other| other.fraction.total_cmp(&one.fraction));
    colours
}

/// A number that is a fraction whatever was sent.
fn fraction(value: f32) -> f32 {
    if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 }
}

/// From the pixels of the picture that was sent to fractions, which hold for the original as well.
struct Scale((u32, u32));

impl Scale {
    /// `None` for a polygon without corners.
    fn bounds(&self, poly: &BoundingPoly) -> Option<BoundingBox> {
        let (width, height) = (self.0.0.max(1) as f32, self.0.1.max(1) as f32);
        let pixels = poly.vertices.iter().map(|vertex| (vertex.x as f32 / width, vertex.y as f32 / height));
        let parts = poly.normalized_vertices.iter().map(|vertex| (vertex.x, vertex.y));
        let corners: Vec<(f32, f32)> = if poly.vertices.is_empty() { parts.collect() } else { pixels.collect() };
        let (xs, ys) =
            (corners.iter().map(|corner| fraction(corner.0)), corners.iter().map(|corner| fraction(corner.1)));
        let (left, right) = (xs.clone().reduce(f32::min)?, xs.reduce(f32::max)?);
        let (top, bottom) = (ys.clone().reduce(f32::min)?, ys.reduce(f32::max)?);
        Some(BoundingBox { left, top, width: right - left, height: bottom - top })
    }
}

#[cfg(test)]
mod tests;
