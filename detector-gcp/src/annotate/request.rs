//! What is asked: Google's request, read with Google's own types, which take enums as names and as integers.

use bytes::Bytes;
use common::{
    analysis::{Feature, Features},
    error::{Error, Kind, Result},
    request::ImageSource,
    source::SourceUrl,
};
use google_cloud_vision_v1::model::{
    AnnotateImageRequest, BatchAnnotateImagesRequest, Feature as Wished, Image, feature::Type,
};

/// The most images of one call; Google takes no more either.
const MAX_IMAGES: usize = 16;
/// Results of one feature where the request does not say.
const DEFAULT_RESULTS: usize = 10;

/// One image of a call, and what to find in it.
#[derive(Debug)]
pub struct Asked {
    /// Where it is. A place that cannot be looked at is a fault of this image, not of the call.
    pub(super) source: Result<ImageSource>,
    /// Never empty.
    wishes: Vec<Wish>,
}

#[derive(Debug)]
struct Wish {
    kind: Type,
    /// Results at the most.
    most: usize,
}

/// Reads the body of a call.
///
/// # Errors
/// `invalid-request`, with the messages that Google has for the same faults where they are known. None of them holds a part of
/// the body: most of it is pictures.
pub fn parse(body: &Bytes) -> Result<Vec<Asked>> {
    let call: BatchAnnotateImagesRequest = serde_json::from_slice(body).map_err(|cause| {
        let (line, column) = (cause.line(), cause.column());
        invalid(format!("Invalid JSON payload received: line {line}, column {column} is not what belongs there."))
    })?;
    match call.requests.len() {
        0 => Err(incomplete()),
        1..=MAX_IMAGES => call.requests.into_iter().map(asked).collect(),
        _ => Err(invalid("Too many images per request.")),
    }
}

fn asked(request: AnnotateImageRequest) -> Result<Asked> {
    let source = request.image.and_then(source).ok_or_else(incomplete)?;
    if request.features.is_empty() {
        return Err(incomplete());
    }
    Ok(Asked { source, wishes: request.features.iter().map(wish).collect::<Result<_>>()? })
}

/// `None` where no place is named. Bytes go before places, and `imageUri` before its forerunner, as Google documents it.
fn source(image: Image) -> Option<Result<ImageSource>> {
    if !image.content.is_empty() {
        return Some(Ok(ImageSource::Bytes(image.content)));
    }
    let source = image.source?;
    match (source.image_uri.as_str(), source.gcs_image_uri.as_str()) {
        ("", "") => None,
        ("", _) => Some(Err(bucket())),
        (uri, _) if uri.starts_with("gs://") => Some(Err(bucket())),
        (uri, _) => Some(SourceUrl::parse(uri).map(ImageSource::Url)),
    }
}

fn wish(feature: &Wished) -> Result<Wish> {
    let kind = feature.r#type.clone();
    if matches!(kind, Type::Unspecified | Type::UnknownValue(_)) {
        return Err(invalid("Invalid value at 'requests.features.type': there is no such feature."));
    }
    let most = usize::try_from(feature.max_results).ok().filter(|most| *most > 0).unwrap_or(DEFAULT_RESULTS);
    Ok(Wish { kind, most })
}

impl Asked {
    /// What to look for.
    ///
    /// # Errors
    /// `unsupported` where no detector of ours has a word for any of it.
    pub(super) fn features(&self) -> Result<Features> {
        self.told(&[])?;
        Features::new(self.wishes.iter().filter_map(|wish| known(&wish.kind)))
    }

    /// Whether anything of it is told by a detector that cannot tell these.
    ///
    /// # Errors
    /// `unsupported`, naming what was asked for.
    pub(super) fn told(&self, unsupported: &[Feature]) -> Result<()> {
        let told = |wish: &Wish| known(&wish.kind).is_some_and(|feature| !unsupported.contains(&feature));
        if self.wishes.iter().any(told) {
            return Ok(());
        }
        let names: Vec<&str> = self.wishes.iter().filter_map(|wish| wish.kind.name()).collect();
        Err(Error::new(Kind::Unsupported, format!("the detector here cannot tell {}", names.join(", "))))
    }

    /// How many results of a feature are wanted at the most.
    pub(super) fn most(&self, feature: Feature) -> usize {
        let of_feature = self.wishes.iter().filter(|wish| known(&wish.kind) == Some(feature));
        of_feature.map(|wish| wish.most).max().unwrap_or(0)
    }
}

/// Our word for a feature; `None` where there is none.
fn known(kind: &Type) -> Option<Feature> {
    Some(match kind {
        Type::LabelDetection => Feature::Labels,
        Type::SafeSearchDetection => Feature::SafeSearch,
        Type::FaceDetection => Feature::Faces,
        Type::LandmarkDetection => Feature::Landmarks,
        Type::TextDetection | Type::DocumentTextDetection => Feature::Text,
        Type::ImageProperties => Feature::Properties,
        _ => return None,
    })
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

/// Google refuses the whole call over one image without features or without any place.
fn incomplete() -> Error {
    invalid("Request must specify image and features.")
}

fn bucket() -> Error {
    Error::new(Kind::Unsupported, "Google Cloud Storage is not read from here; send the content or an http(s) URL")
}

#[cfg(test)]
mod tests;
