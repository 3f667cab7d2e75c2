//! Rekognition's answers in the domain's words: its percentages are fractions here, and its boxes end at the picture's edge.

use aws_sdk_rekognition::types::{
    BoundingBox as TheirBox, Celebrity, FaceDetail, Label as TheirLabel, TextDetection, TextTypes,
};
use common::analysis::{BoundingBox, Face, Label, MAX_LABELS, Named, Text};

pub(super) fn labels(theirs: &[TheirLabel]) -> Vec<Label> {
    let label = |label: &TheirLabel| {
        Some(Label { description: label.name()?.to_owned(), score: percent(label.confidence()), mid: None })
    };
    let mut labels: Vec<Label> = theirs.iter().filter_map(label).collect();
    labels.sort_by(|one, other| other.score.total_cmp(&one.score));
    labels.truncate(usize::from(MAX_LABELS));
    labels
}

pub(super) fn faces(theirs: &[FaceDetail]) -> Vec<Face> {
    let face =
        |face: &FaceDetail| Some(Face { bounds: bounds(face.bounding_box()?)?, score: percent(face.confidence()) });
    let mut faces: Vec<Face> = theirs.iter().filter_map(face).collect();
    let area = |face: &Face| face.bounds.width * face.bounds.height;
    faces.sort_by(|one, other| area(other).total_cmp(&area(one)));
    faces
}

/// The known ones; a face without a name is what `faces` is for.
pub(super) fn celebrities(theirs: &[Celebrity]) -> Vec<Named> {
    let named = |celebrity: &Celebrity| {
        let bounds = celebrity.face().and_then(|face| bounds(face.bounding_box()?));
        let score = percent(celebrity.match_confidence());
        Some(Named { description: celebrity.name()?.to_owned(), score, bounds })
    };
    let mut celebrities: Vec<Named> = theirs.iter().filter_map(named).collect();
    celebrities.sort_by(|one, other| other.score.total_cmp(&one.score));
    celebrities
}

/// Each line is told once; the words that it is made of come as well and say nothing more.
pub(super) fn text(theirs: &[TextDetection]) -> Text {
    let lines = theirs.iter().filter(|found| found.r#type() == Some(&TextTypes::Line));
    let content: Vec<&str> = lines.clone().filter_map(TextDetection::detected_text).collect();
    let blocks = lines.filter_map(|line| bounds(line.geometry()?.bounding_box()?)).collect();
    Text { content: content.join("\n"), blocks }
}

/// 0 to 1, whatever was sent.
fn percent(confidence: Option<f32>) -> f32 {
    fraction(confidence.unwrap_or_default() / 100.0)
}

fn fraction(value: f32) -> f32 {
    if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 }
}

/// The part of the box that lies in the picture; a face at the edge has one that does not
/// (<https://docs.aws.amazon.com/rekognition/latest/APIReference/API_BoundingBox.html>).
fn bounds(theirs: &TheirBox) -> Option<BoundingBox> {
    let (left, top) = (theirs.left()?, theirs.top()?);
    let (right, bottom) = (fraction(left + theirs.width()?), fraction(top + theirs.height()?));
    let (left, top) = (fraction(left), fraction(top));
    Some(BoundingBox { left, top, width: (right - left).max(0.0), height: (bottom - top).max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_end_at_the_edge() {
        let check = |theirs: [f32; 4], ours: [f32; 4]| {
            let [left, top, width, height] = theirs;
            let built = TheirBox::builder().left(left).top(top).width(width).height(height).build();
            let found = bounds(&built).unwrap();
            let found = [found.left, found.top, found.width, found.height];
            assert!(found.iter().zip(ours).all(|(one, other)| (one - other).abs() < 1e-6), "{theirs:?}: {found:?}");
        };
        check([0.25, 0.5, 0.5, 0.25], [0.25, 0.5, 0.5, 0.25]);
        check([-0.1, -0.2, 0.5, 0.5], [0.0, 0.0, 0.4, 0.3]);
        check([0.9, 0.9, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]);
        check([1.5, 0.0, 0.5, f32::NAN], [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_box_without_a_side_is_none() {
        assert!(bounds(&TheirBox::builder().left(0.1).top(0.1).width(0.1).build()).is_none());
    }
}
