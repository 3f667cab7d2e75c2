//! What moderation leaves in the bucket about an image: its blurred form, a preview for reviewers, and beside each where it comes
//! from. Keys follow from the image's id, so that doing it twice leaves one of each.

use std::sync::Arc;

use bytes::Bytes;
use common::{
    analysis::{Analysis, BoundingBox},
    error::{Kind, Result, internal},
    image::{Digest, Image, MediaType},
    intake::{Blur, Intake},
    moderation::Verdict,
    ports::{Fetch, Store},
    request::{ImageId, ImageSource, ObjectRef},
    upload::DERIVED,
};
use serde::Serialize;

use super::{decision::Decision, policy::Policy};

/// Pixels of a preview's longer side.
const PREVIEW: u32 = 640;

/// Where an image's blurred form lies.
pub fn blurred_key(id: &ImageId, media_type: MediaType) -> String {
    let extension = match media_type {
        MediaType::Jpeg => "jpg",
        MediaType::Png => "png",
        MediaType::Gif => "gif",
        MediaType::Webp => "webp",
        MediaType::Bmp => "bmp",
        MediaType::Tiff => "tiff",
    };
    format!("{DERIVED}blurred/{id}.{extension}")
}

/// Where a reviewer's preview of an image lies.
pub fn preview_key(id: &ImageId) -> String {
    format!("{DERIVED}previews/{id}.jpg")
}

/// Where a derived picture comes from, kept beside it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provenance<'a> {
    id: &'a ImageId,
    source: Option<&'a str>,
    /// Of the original that it was made of.
    digest: Digest,
    verdict: Verdict,
    rule: Option<&'a str>,
    policy: &'a str,
    /// The least standard deviation of the blur, in pixels of the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<f32>,
    /// Fractions of the upright original; the whole picture where empty.
    regions: &'a [BoundingBox],
}

/// How making a picture went.
pub(super) enum Made {
    /// It lies under this key.
    There(String),
    /// There is nothing to make it of, and this is why.
    Nothing(Option<&'static str>),
    /// It cannot be made of this image, and this is why.
    Refused(String),
}

/// Reads originals and writes what is made of them.
#[derive(Clone)]
pub(super) struct Pictures {
    pub(super) intake: Intake,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) store: Arc<dyn Store>,
}

impl Pictures {
    /// Makes the blurred picture. A failure that may pass is an error.
    pub(super) async fn blur(&self, analysis: &Analysis, decision: &Decision, policy: &Policy) -> Result<Made> {
        let image = match self.original(analysis).await? {
            Ok(image) => image,
            Err(made) => return Ok(made),
        };
        let blur = Blur { regions: decision.regions.clone(), ..Blur::default() };
        let sigma = blur.sigma;
        let sent = match self.intake.blurred(&image, blur).await {
            Ok(sent) => sent,
            Err(error) if error.is_permanent() => return Ok(Made::Refused(error.message().to_owned())),
            Err(error) => return Err(error),
        };
        let key = blurred_key(&analysis.id, sent.media_type);
        self.keep(&key, sent.bytes, &provenance(analysis, decision, policy, Some(sigma))).await?;
        Ok(Made::There(key))
    }

    /// Makes the preview for reviewers, where that can be done.
    pub(super) async fn preview(&self, analysis: &Analysis, decision: &Decision, policy: &Policy) -> Result<()> {
        let Ok(image) = self.original(analysis).await? else { return Ok(()) };
        match self.intake.blurred_preview(&image, PREVIEW).await {
            Ok(sent) => {
                let made = provenance(analysis, decision, policy, None);
                self.keep(&preview_key(&analysis.id), sent.bytes, &made).await
            }
            // The reviewer has the original.
            Err(error) if error.is_permanent() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The analysis's own bytes, or why they are not to be had.
    async fn original(&self, analysis: &Analysis) -> Result<std::result::Result<Image, Made>> {
        let Some(object) = analysis.source.as_deref().and_then(ObjectRef::of_source) else {
            return Ok(Err(Made::Nothing(None)));
        };
        let bytes = match self.fetch.fetch(&ImageSource::Object(object)).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == Kind::SourceNotFound => {
                return Ok(Err(Made::Nothing(Some("the original is gone, so that no picture was made of it"))));
            }
            Err(error) if error.is_permanent() => return Ok(Err(Made::Refused(error.message().to_owned()))),
            Err(error) => return Err(error),
        };
        if Digest::of(&bytes) != analysis.digest {
            return Ok(Err(Made::Nothing(Some("the original was replaced, so that no picture was made of it"))));
        }
        Ok(self.intake.admit(bytes).map_err(|error| Made::Refused(error.message().to_owned())))
    }

    /// Where it comes from first: a picture is never there without that.
    async fn keep(&self, key: &str, picture: Bytes, provenance: &Provenance<'_>) -> Result<()> {
        let beside = key.rsplit_once('.').map_or(key, |(stem, _)| stem);
        let json = serde_json::to_vec_pretty(provenance).map_err(internal)?;
        self.store.put(&format!("{beside}.json"), json.into()).await?;
        self.store.put(key, picture).await
    }
}

fn provenance<'a>(
    analysis: &'a Analysis,
    decision: &'a Decision,
    policy: &'a Policy,
    sigma: Option<f32>,
) -> Provenance<'a> {
    Provenance {
        id: &analysis.id,
        source: analysis.source.as_deref(),
        digest: analysis.digest,
        verdict: decision.verdict,
        rule: decision.rule.as_deref(),
        policy: policy.version(),
        sigma,
        regions: &decision.regions,
    }
}
