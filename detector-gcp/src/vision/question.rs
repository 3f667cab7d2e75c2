//! What to ask about one image: all features in one call, in a picture as small as they allow.

use std::collections::BTreeMap;

use bytes::Bytes;
use common::analysis::{Feature, Features, MAX_LABELS};
use google_cloud_vision_v1::model::{AnnotateImageRequest, Feature as Asked, Image, feature::Type};

use super::UNSUPPORTED;

/// The features of one request, as Vision knows them.
#[derive(Debug, Clone)]
pub(super) struct Question {
    features: Features,
    billed: BTreeMap<Feature, u32>,
}

impl Question {
    /// `None` when nothing is asked that Vision can tell.
    pub(super) fn of(features: &Features) -> Option<Self> {
        if features.iter().all(|feature| UNSUPPORTED.contains(&feature)) {
            return None;
        }
        let known = features.iter().filter(|feature| !UNSUPPORTED.contains(feature));
        // One unit a feature; safe search is free beside labels (https://cloud.google.com/vision/pricing).
        let free = |feature| feature == Feature::SafeSearch && features.contains(Feature::Labels);
        let billed = known.filter(|feature| !free(*feature)).map(|feature| (feature, 1)).collect();
        Some(Self { features: features.clone(), billed })
    }

    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    /// Units that Google bills for the answer.
    pub(super) fn billed(&self) -> &BTreeMap<Feature, u32> {
        &self.billed
    }

    /// The request about these bytes.
    pub(super) fn about(&self, bytes: Bytes) -> AnnotateImageRequest {
        let mut asked: Vec<Type> = self.features.iter().filter_map(kind).collect();
        // An answer without labels may mean that there are none, or that nothing was looked at. Safe search, which costs
        // nothing beside labels and always has an answer, tells them apart.
        if self.features.contains(Feature::Labels) && !self.features.contains(Feature::SafeSearch) {
            asked.push(Type::SafeSearchDetection);
        }
        let asked = asked.into_iter().map(|kind| Asked::new().set_type(kind).set_max_results(i32::from(MAX_LABELS)));
        AnnotateImageRequest::new().set_image(Image::new().set_content(bytes)).set_features(asked)
    }
}

fn kind(feature: Feature) -> Option<Type> {
    Some(match feature {
        Feature::Labels => Type::LabelDetection,
        Feature::SafeSearch => Type::SafeSearchDetection,
        Feature::Faces => Type::FaceDetection,
        Feature::Landmarks => Type::LandmarkDetection,
        Feature::Text => Type::TextDetection,
        Feature::Properties => Type::ImageProperties,
        Feature::Celebrities => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(features: &str) -> Question {
        Question::of(&features.parse().unwrap()).unwrap()
    }

    #[test]
    fn one_unit_a_feature_and_safe_search_free_beside_labels() {
        let check = |features: &str, units: u32| {
            assert_eq!(question(features).billed().values().sum::<u32>(), units, "{features}");
        };
        check("labels", 1);
        check("safe_search", 1);
        check("labels,safe_search", 1);
        check("labels,faces,text,safe_search,celebrities", 3);
    }

    #[test]
    fn celebrities_alone_are_no_question() {
        assert!(Question::of(&"celebrities".parse().unwrap()).is_none());
    }

    #[test]
    fn labels_bring_their_witness() {
        let request = question("labels,text").about(Bytes::from_static(b"x"));
        let kinds: Vec<_> = request.features.iter().map(|feature| feature.r#type.clone()).collect();
        assert_eq!(kinds, [Type::LabelDetection, Type::TextDetection, Type::SafeSearchDetection]);
    }
}
