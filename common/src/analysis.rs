//! The answer about one image, in one schema whatever the detector.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    error::{Error, Kind, Result},
    image::{Digest, Image, MediaType},
    request::{Cloud, ImageId, ImageRequest},
};

/// The most labels that are ever kept or returned for one image.
pub const MAX_LABELS: u16 = 100;

/// One thing to find in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Famous people.
    Celebrities,
    /// Faces and where they are.
    Faces,
    /// What the picture shows, in words with scores.
    Labels,
    /// Known places.
    Landmarks,
    /// Dominant colours.
    Properties,
    /// How likely the picture is adult, violent, racy, medical or a spoof.
    SafeSearch,
    /// Writing.
    Text,
}

impl Feature {
    /// Every feature, sorted by name.
    pub const ALL: [Feature; 7] = [
        Feature::Celebrities,
        Feature::Faces,
        Feature::Labels,
        Feature::Landmarks,
        Feature::Properties,
        Feature::SafeSearch,
        Feature::Text,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::Celebrities => "celebrities",
            Feature::Faces => "faces",
            Feature::Labels => "labels",
            Feature::Landmarks => "landmarks",
            Feature::Properties => "properties",
            Feature::SafeSearch => "safe_search",
            Feature::Text => "text",
        }
    }
}

/// A non-empty set of features, sorted and without repetition. `labels` alone is the default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Vec<Feature>", into = "Vec<Feature>")]
#[schema(value_type = Vec<Feature>)]
pub struct Features(Vec<Feature>);

impl Features {
    /// Builds the set; refuses an empty one.
    pub fn new(features: impl IntoIterator<Item = Feature>) -> Result<Self> {
        let mut features: Vec<Feature> = features.into_iter().collect();
        features.sort_unstable();
        features.dedup();
        if features.is_empty() {
            return Err(Error::new(Kind::InvalidRequest, "no feature was asked for"));
        }
        Ok(Self(features))
    }

    /// The features, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = Feature> + '_ {
        self.0.iter().copied()
    }

    /// Width and height within which a detector of a cloud sees as much as it can of the most demanding feature; more pixels
    /// only take longer (<https://cloud.google.com/vision/docs/supported-files>, whose sizes are taken for every cloud).
    pub fn enough_pixels(&self) -> (u32, u32) {
        let sizes = self.iter().map(|feature| match feature {
            Feature::Faces => (1600, 1200),
            Feature::Text => (1024, 768),
            _ => (640, 480),
        });
        sizes.max().unwrap_or((640, 480))
    }

    /// These and those.
    #[must_use]
    pub fn with(&self, more: &Features) -> Self {
        let mut features: Vec<Feature> = self.iter().chain(more.iter()).collect();
        features.sort_unstable();
        features.dedup();
        Self(features)
    }

    /// Whether this one was asked for.
    pub fn contains(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }
}

impl Default for Features {
    fn default() -> Self {
        Self(vec![Feature::Labels])
    }
}

impl TryFrom<Vec<Feature>> for Features {
    type Error = Error;
    fn try_from(features: Vec<Feature>) -> Result<Self> {
        Self::new(features)
    }
}

impl From<Features> for Vec<Feature> {
    fn from(features: Features) -> Self {
        features.0
    }
}

impl fmt::Display for Features {
    /// Writes the names joined by commas, as they stand in a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, feature) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{}", feature.name())?;
        }
        Ok(())
    }
}

impl FromStr for Features {
    type Err = Error;
    /// Reads names joined by commas; an unknown name is refused and the known ones are listed.
    fn from_str(text: &str) -> Result<Self> {
        let parse = |name: &str| {
            Feature::ALL.into_iter().find(|feature| feature.name() == name).ok_or_else(|| {
                let known = Feature::ALL.map(Feature::name).join(", ");
                Error::new(Kind::InvalidRequest, format!("unknown feature; known are {known}"))
            })
        };
        Self::new(text.split(',').map(|name| parse(name.trim())).collect::<Result<Vec<_>>>()?)
    }
}

/// Something that the picture shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Label {
    /// The word, in English.
    pub description: String,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Google's machine id of the concept, where the detector gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

/// How likely something is, in Google's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Likelihood {
    Unknown,
    VeryUnlikely,
    Unlikely,
    Possible,
    Likely,
    VeryLikely,
}

/// How likely the picture should not be shown to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct SafeSearch {
    pub adult: Likelihood,
    pub violence: Likelihood,
    pub racy: Likelihood,
    pub medical: Likelihood,
    pub spoof: Likelihood,
}

/// A rectangle as fractions (0 to 1) of the upright image's width and height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct BoundingBox {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

/// A face, never a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Face {
    /// Where it is.
    pub bounds: BoundingBox,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

/// A known place or a famous person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// What or who it is.
    pub description: String,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Where it is, when the detector says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<BoundingBox>,
}

/// Writing in the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Text {
    /// All of it, lines separated by `\n`; empty where there is none.
    pub content: String,
    /// Where its blocks are.
    #[serde(default)]
    pub blocks: Vec<BoundingBox>,
}

/// A dominant colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Colour {
    /// As `#rrggbb`.
    pub rgb: String,
    /// Share of the picture, 0 to 1.
    pub fraction: f32,
}

/// What a detector found: a field is absent when its feature was not asked for, empty when nothing was found, and its
/// feature is in `unsupported` when the detector cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<Label>>,
    /// How likely it should not be shown to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_search: Option<SafeSearch>,
    /// Faces, largest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<Vec<Face>>,
    /// Known places, best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<Vec<Named>>,
    /// Famous people, best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celebrities: Option<Vec<Named>>,
    /// Writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Dominant colours, largest share first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Vec<Colour>>,
    /// What was asked for and this detector cannot tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Feature>,
    /// What was asked as `later` and nobody could tell yet; it is worked on, and is published when it is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Feature>,
    /// What the provider bills, per feature; empty where it is free.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub billed_units: BTreeMap<Feature, u32>,
}

impl Findings {
    /// Says of features that cannot be told that they are pending.
    pub(crate) fn put_off(&mut self, pending: impl IntoIterator<Item = Feature>) {
        for feature in pending {
            if self.unsupported.contains(&feature) {
                self.unsupported.retain(|other| *other != feature);
                self.pending.push(feature);
            }
        }
    }

    /// Adds what was pending and is there now.
    pub fn complete(&mut self, rest: Findings) {
        fn fill<T>(field: &mut Option<T>, rest: Option<T>) {
            if rest.is_some() {
                *field = rest;
            }
        }
        let told = |feature: &Feature| rest.silent_about(&Features(vec![*feature])).is_none();
        self.unsupported.retain(|feature| !told(feature));
        self.pending.retain(|feature| !told(feature));
        fill(&mut self.labels, rest.labels);
        fill(&mut self.safe_search, rest.safe_search);
        fill(&mut self.faces, rest.faces);
        fill(&mut self.landmarks, rest.landmarks);
        fill(&mut self.celebrities, rest.celebrities);
        fill(&mut self.text, rest.text);
        fill(&mut self.properties, rest.properties);
        self.billed_units.extend(rest.billed_units);
    }

    /// What was found about these features, and nothing about others.
    #[must_use]
    pub fn only(mut self, features: &Features) -> Self {
        fn keep<T>(field: &mut Option<T>, wanted: bool) {
            if !wanted {
                *field = None;
            }
        }
        keep(&mut self.labels, features.contains(Feature::Labels));
        keep(&mut self.safe_search, features.contains(Feature::SafeSearch));
        keep(&mut self.faces, features.contains(Feature::Faces));
        keep(&mut self.landmarks, features.contains(Feature::Landmarks));
        keep(&mut self.celebrities, features.contains(Feature::Celebrities));
        keep(&mut self.text, features.contains(Feature::Text));
        keep(&mut self.properties, features.contains(Feature::Properties));
        self.unsupported.retain(|feature| features.contains(*feature));
        self.pending.retain(|feature| features.contains(*feature));
        self
    }

    /// The first feature of these about which nothing is said: neither what was found nor that this cannot be told.
    pub fn silent_about(&self, features: &Features) -> Option<Feature> {
        let told = |feature| match feature {
            Feature::Celebrities => self.celebrities.is_some(),
            Feature::Faces => self.faces.is_some(),
            Feature::Labels => self.labels.is_some(),
            Feature::Landmarks => self.landmarks.is_some(),
            Feature::Properties => self.properties.is_some(),
            Feature::SafeSearch => self.safe_search.is_some(),
            Feature::Text => self.text.is_some(),
        };
        features.iter().find(|feature| !told(*feature) && !self.unsupported.contains(feature))
    }
}

/// Who answered: part of what makes an analysis reusable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct DetectorId {
    /// As in `google-vision` or `local`.
    pub provider: String,
    /// Model and version, as in `efficientnet-lite0`.
    pub model: String,
}

/// What a detector returns for one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Who answered; behind a failover it may differ from call to call.
    #[serde(flatten)]
    pub detector: DetectorId,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// The answer about one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The same request always has the same id.
    #[schema(value_type = String)]
    pub id: ImageId,
    /// The request whose pending features this answers; absent on ordinary ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub part_of: Option<ImageId>,
    /// The HTTP or event request that this answer was first given to.
    pub request_id: String,
    /// `sha256:` and 64 hexadecimal digits, of the bytes as received.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Where the image came from, without query, fragment or credentials; absent for bytes in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// By content.
    #[schema(value_type = String)]
    pub media_type: MediaType,
    /// Of the original, upright, in pixels.
    pub width: u32,
    /// Of the original, upright, in pixels.
    pub height: u32,
    /// Who answered.
    #[serde(flatten)]
    pub detector: DetectorId,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    /// When the detector answered.
    #[schema(value_type = String, format = DateTime)]
    pub analyzed_at: Timestamp,
    /// How long the detector took, in milliseconds.
    pub duration_ms: u64,
}

impl Analysis {
    /// What a detector, asked at `started`, has just said about a request's image.
    pub fn of(
        (cloud, id): (Cloud, ImageId),
        request: &ImageRequest,
        image: &Image,
        detection: Detection,
        started: Instant,
    ) -> Self {
        Self {
            id,
            part_of: request.part_of(),
            request_id: request.request_id.clone(),
            digest: image.digest(),
            source: request.shown_source(cloud),
            media_type: image.media_type(),
            width: image.width(),
            height: image.height(),
            detector: detection.detector,
            findings: detection.findings,
            analyzed_at: Timestamp::now(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Says nothing about other features than these.
    #[must_use]
    pub fn only(mut self, features: &Features) -> Self {
        self.findings = self.findings.only(features);
        self
    }

    /// Keeps the best `max_labels` labels.
    #[must_use]
    pub fn truncated(mut self, max_labels: u16) -> Self {
        if let Some(labels) = &mut self.findings.labels {
            labels.truncate(usize::from(max_labels));
        }
        self
    }

    /// The text form, `Image Results: espresso, cup`.
    pub fn message(&self) -> String {
        let labels = self.findings.labels.iter().flatten();
        let words: Vec<String> = labels.map(|label| label.description.to_lowercase()).collect();
        format!("Image Results: {}", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_a_sorted_set() {
        let features: Features = "text, labels,text".parse().unwrap();
        assert_eq!(features.to_string(), "labels,text");
        assert_eq!("".parse::<Features>().unwrap_err().kind(), Kind::InvalidRequest);
        assert!("labels,hats".parse::<Features>().unwrap_err().message().contains("safe_search"));
    }

    #[test]
    fn the_most_demanding_feature_decides_how_many_pixels_are_enough() {
        let check = |features: &str, size| assert_eq!(features.parse::<Features>().unwrap().enough_pixels(), size);
        check("labels,properties", (640, 480));
        check("labels,text", (1024, 768));
        check("faces,text", (1600, 1200));
    }

    #[test]
    fn nothing_found_is_said_and_nothing_said_is_not_taken_for_it() {
        let asked = "labels,text".parse().unwrap();
        let mut findings = Findings { labels: Some(vec![]), ..Findings::default() };
        assert_eq!(findings.silent_about(&asked), Some(Feature::Text));
        findings.unsupported.push(Feature::Text);
        assert_eq!(findings.silent_about(&asked), None);
    }
}
