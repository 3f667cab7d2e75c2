//! What `model info` tells.

use std::path::Path;

use common::{analysis::Feature, error::Result};
use serde::Serialize;

use crate::{
    cache::Located,
    config::ModelConfig,
    model::Model,
    packages::{RUNTIME_VERSION, WEIGHTS},
};

/// What would answer, where its files lie, and what it can and cannot tell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// As it stands in analyses.
    pub provider: String,
    /// As it stands in analyses.
    pub model: String,
    /// Where it comes from.
    pub origin: String,
    /// How many classes it tells apart.
    pub classes: usize,
    /// What it can tell.
    pub can: Vec<Feature>,
    /// What it cannot tell, and says so in `unsupported`.
    pub cannot: Vec<Feature>,
    /// The model's ONNX file, what it keeps beside it, and ONNX Runtime's library.
    pub files: Vec<Located>,
}

impl ModelInfo {
    /// Looks at the files that the configuration means; nothing is run.
    ///
    /// # Errors
    /// As [`crate::LocalDetector::open`] where a file is missing or damaged.
    pub fn of(cache: &Path, config: &ModelConfig) -> Result<Self> {
        let model = Model::find(cache, config)?;
        let origin = if model.own {
            "your own".to_owned()
        } else {
            format!("{}=={} (Apache-2.0) on onnxruntime=={RUNTIME_VERSION} (MIT)", WEIGHTS.name, WEIGHTS.version)
        };
        Ok(Self {
            provider: model.id.provider,
            model: model.id.model,
            origin,
            classes: model.labels.len(),
            can: vec![Feature::Labels],
            cannot: Feature::ALL.into_iter().filter(|feature| *feature != Feature::Labels).collect(),
            files: model.files.into_iter().chain([model.runtime]).collect(),
        })
    }
}
