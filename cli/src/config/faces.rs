//! Settings of faces: who keeps them, for how long, and where it is looked up who somebody is.

use std::time::Duration;

use clap::Args;
use common::settings::Layers;
use processors::faces::WIKIPEDIA;
use reqwest::Url;

use super::values::{DAY, days, http_url};

/// What the settings file and the environment call them.
pub(super) const NAMES: [&str; 3] = ["faces", "faces_retention", "wikipedia_url"];
/// How long a vector of a face stays unless it is said otherwise.
const RETENTION: Duration = DAY.saturating_mul(365);

/// Flags of `up` about faces.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct FaceFlags {
    /// Who keeps and matches faces: `none`, or `rekognition` (Amazon's, with your own credentials; builds with the feature `aws`)
    /// [default: none]
    #[arg(long, value_name = "none|rekognition")]
    faces: Option<String>,
    /// Forgets faces that were added longer ago, in days or as in 36h [default: 365]
    #[arg(long, value_name = "TIME")]
    faces_retention: Option<String>,
}

/// What becomes of faces.
#[derive(Debug, Clone)]
pub(crate) struct Faces {
    /// Who keeps them.
    pub(crate) service: FaceService,
    /// How long a vector stays.
    pub(crate) retention: Duration,
    /// Where it is looked up who a matched person is; `None` where nowhere.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "nobody matches faces in this build"))]
    pub(crate) wikipedia: Option<Url>,
}

/// Who keeps faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaceService {
    /// Nobody.
    None,
    /// Amazon Rekognition.
    #[cfg(feature = "aws")]
    Rekognition,
}

impl Faces {
    pub(super) fn read(layers: &mut Layers<'_>, flags: &FaceFlags) -> Self {
        let url = |text: &str| if text == "none" { Ok(None) } else { http_url(text).map(Some) };
        Self {
            service: layers.one("faces", flags.faces.as_deref(), service).unwrap_or(FaceService::None),
            retention: layers.one("faces_retention", flags.faces_retention.as_deref(), days).unwrap_or(RETENTION),
            wikipedia: layers.one("wikipedia_url", None, url).unwrap_or_else(|| WIKIPEDIA.parse().ok()),
        }
    }
}

fn service(text: &str) -> Result<FaceService, &'static str> {
    match text {
        "none" => Ok(FaceService::None),
        #[cfg(feature = "aws")]
        "rekognition" => Ok(FaceService::Rekognition),
        #[cfg(not(feature = "aws"))]
        "rekognition" => Err(crate::lacking::AWS),
        _ => Err("none or rekognition"),
    }
}
