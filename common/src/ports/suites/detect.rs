//! Answering what is in an image.

use std::time::Duration;

use crate::{
    analysis::{Feature, Features, MAX_LABELS},
    image::Image,
    ports::Detect,
};

/// The behaviour of [`Detect`] on an image that it can read.
pub async fn detect(detect: &dyn Detect, image: &Image) {
    let all = Features::new(Feature::ALL).unwrap();
    let detection = detect.detect(image, &all, Duration::from_secs(60)).await.unwrap();
    let found = &detection.findings;
    let told = [
        (Feature::Celebrities, found.celebrities.is_some()),
        (Feature::Faces, found.faces.is_some()),
        (Feature::Labels, found.labels.is_some()),
        (Feature::Landmarks, found.landmarks.is_some()),
        (Feature::Properties, found.properties.is_some()),
        (Feature::SafeSearch, found.safe_search.is_some()),
        (Feature::Text, found.text.is_some()),
    ];
    for (feature, told) in told {
        assert_ne!(told, found.unsupported.contains(&feature), "{} is either told or unsupported", feature.name());
    }
    let labels = found.labels.as_deref().unwrap_or_default();
    assert!(labels.len() <= usize::from(MAX_LABELS));
    assert!(labels.iter().all(|label| (0.0..=1.0).contains(&label.score)), "{labels:?}");
    assert!(labels.is_sorted_by(|one, next| one.score >= next.score), "best first: {labels:?}");
    if let Some(id) = detect.id() {
        assert_eq!(detection.detector, id);
    }

    let asked = Features::default();
    let alone = detect.detect(image, &asked, Duration::from_secs(60)).await.unwrap().findings;
    assert!(alone.safe_search.is_none() && alone.faces.is_none() && alone.text.is_none(), "not asked for");
    assert!(alone.unsupported.iter().all(|feature| asked.contains(*feature)), "not asked for");
}
