//! A classifier that is ready to be asked: its file, its class names, and how a picture becomes its input. Either the
//! embedded one or a user's own.

use std::{fs, path::Path, sync::Arc};

use common::{
    analysis::DetectorId,
    error::{Error, Kind, Result},
    intake::Reduction,
};
use ort::value::{TensorElementType, ValueType};
use sha2::{Digest, Sha256};

use crate::{
    cache::{Located, Part, State, hex},
    classes::classes,
    config::{Layout, ModelConfig, PerChannel},
    efficientnet,
    pull::{model_part, runtime_part},
};

/// What ImageNet's pictures are normalised by in most model exports, on a scale of 0 to 255.
const IMAGENET_MEAN: PerChannel = PerChannel([123.675, 116.28, 103.53]);
const IMAGENET_STD: PerChannel = PerChannel([58.395, 57.12, 57.375]);

/// What is run, before its session is open.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// The ONNX file, and what it keeps beside it.
    pub(crate) files: Vec<Located>,
    pub(crate) runtime: Located,
    pub(crate) id: DetectorId,
    pub(crate) labels: Arc<[String]>,
    pub(crate) own: bool,
}

impl Model {
    /// Finds the files that the configuration means, and reads them through.
    pub(crate) fn find(cache: &Path, config: &ModelConfig) -> Result<Self> {
        let runtime = match &config.onnxruntime {
            Some(path) => located(path, "the library of ONNX Runtime")?,
            None => main(from_cache(&runtime_part(cache), "ONNX Runtime")?)?,
        };
        let id = |model: String| DetectorId { provider: "local".to_owned(), model };
        match (&config.model, &config.labels) {
            (None, None) => {
                let files = from_cache(&model_part(cache), "the embedded model")?;
                let id = id("efficientnet-lite0".to_owned());
                Ok(Self { files, runtime, id, labels: classes().into(), own: false })
            }
            (Some(model), Some(labels)) => {
                let file = located(model, "the model")?;
                let labels = label_file(labels)?;
                let stem = model.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let id = id(format!("{stem}-{}", own_hash(&file, &labels, config)));
                Ok(Self { files: vec![file], runtime, id, labels: labels.into(), own: true })
            }
            (Some(_), None) => {
                Err(invalid("a model of your own needs the names of its classes: set labels to a file with one a line"))
            }
            (None, Some(_)) => Err(invalid("labels are for a model of your own: set model to its ONNX file")),
        }
    }

    /// Where the ONNX file lies.
    pub(crate) fn path(&self) -> &Path {
        self.files.first().map(|file| file.path.as_path()).unwrap_or(Path::new(""))
    }
}

fn main(files: Vec<Located>) -> Result<Located> {
    files.into_iter().next().ok_or_else(|| common::error::internal("a part without files"))
}

/// What tells one user's model from another: answers of a changed model, labels or preparation are not reused.
fn own_hash(file: &Located, labels: &[String], config: &ModelConfig) -> String {
    let ModelConfig { side, shorter, mean, std, layout, softmax, .. } = config;
    let text =
        format!("{} {labels:?} {side:?} {shorter:?} {mean:?} {std:?} {layout:?} {softmax:?}", file.fingerprint.sha256);
    hex(&Sha256::digest(text)).chars().take(8).collect()
}

fn from_cache(part: &Part, what: &str) -> Result<Vec<Located>> {
    match part.state() {
        State::Whole(files) => Ok(files),
        State::Missing => {
            Err(Error::new(Kind::Unavailable, format!("{what} is not here yet; fetch it with `crosslens model pull`")))
        }
        State::Damaged(cause) => {
            let message = format!("{what} in the cache is damaged; fetch it anew with `crosslens model pull`");
            Err(Error::new(Kind::Unavailable, message).because(cause))
        }
    }
}

fn located(path: &Path, what: &str) -> Result<Located> {
    // Absolute, because the loader of libraries looks for a bare name elsewhere.
    std::path::absolute(path)
        .and_then(Located::at)
        .map_err(|error| invalid(format!("{what}, {}: {error}", path.display())))
}

fn label_file(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| invalid(format!("the labels, {}: {error}", path.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect())
}

/// How a picture becomes a model's input and its output becomes scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Preparation {
    pub(crate) side: u32,
    pub(crate) shorter: u32,
    pub(crate) mean: PerChannel,
    pub(crate) std: PerChannel,
    pub(crate) layout: Layout,
    pub(crate) softmax: Option<bool>,
}

impl Preparation {
    /// That of the embedded model.
    pub(crate) const EMBEDDED: Preparation = Preparation {
        side: efficientnet::SIDE,
        shorter: 256,
        mean: PerChannel([127.0; 3]),
        std: PerChannel([128.0; 3]),
        layout: Layout::Nchw,
        softmax: Some(true),
    };

    /// That of a user's own model, by the configuration and what the model says of its input.
    pub(crate) fn own(config: &ModelConfig, input: &ValueType) -> Result<Self> {
        let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = input else {
            return Err(invalid(format!("the model's input is {input}; a tensor of 32-bit floats is needed")));
        };
        let unfit = || {
            let dims: Vec<i64> = shape.iter().copied().collect();
            invalid(format!("the model's input has the shape {dims:?}; one square picture of three channels is needed"))
        };
        let [batch, second, third, fourth] = **shape else { return Err(unfit()) };
        let layout = config.layout.unwrap_or(if fourth == 3 && second != 3 { Layout::Nhwc } else { Layout::Nchw });
        let (channels, height, width) = match layout {
            Layout::Nchw => (second, third, fourth),
            Layout::Nhwc => (fourth, second, third),
        };
        // A dimension below 1 is left open by the model.
        if batch > 1 || (channels > 0 && channels != 3) || (height > 0 && width > 0 && height != width) {
            return Err(unfit());
        }
        let told = u32::try_from(height.max(width)).ok().filter(|side| *side > 0);
        let side = match (config.side, told) {
            (Some(side), Some(told)) if side != told => {
                return Err(invalid(format!(
                    "the model wants pictures of {told} pixels, and model_side is set to {side}"
                )));
            }
            (side, told) => side.or(told).unwrap_or(efficientnet::SIDE),
        };
        let shorter = config.shorter.unwrap_or_else(|| side.saturating_add(side / 7));
        if !(1..=4096).contains(&side) || !(side..=8192).contains(&shorter) {
            return Err(invalid("model_side goes from 1 to 4096, and model_shorter from model_side to 8192"));
        }
        let std = config.std.unwrap_or(IMAGENET_STD);
        if std.0.contains(&0.0) {
            return Err(invalid("model_std divides, so it cannot be 0"));
        }
        let mean = config.mean.unwrap_or(IMAGENET_MEAN);
        Ok(Self { side, shorter, mean, std, layout, softmax: config.softmax })
    }

    pub(crate) fn reduction(&self) -> Reduction {
        Reduction::CentralSquare { shorter: self.shorter, side: self.side }
    }

    /// The input's dimensions.
    pub(crate) fn shape(&self) -> [usize; 4] {
        let side = usize::try_from(self.side).unwrap_or_default();
        match self.layout {
            Layout::Nchw => [1, 3, side, side],
            Layout::Nhwc => [1, side, side, 3],
        }
    }

    /// Writes the input's numbers for these pixels (red, green, blue, row by row).
    pub(crate) fn fill(&self, rgb: &[u8], input: &mut Vec<f32>) {
        let (pixels, _) = rgb.as_chunks::<3>();
        let ([mean_r, mean_g, mean_b], [std_r, std_g, std_b]) = (self.mean.0, self.std.0);
        input.clear();
        input.reserve_exact(rgb.len());
        let scaled = |value: &u8, mean: f32, std: f32| (f32::from(*value) - mean) / std;
        match self.layout {
            Layout::Nchw => {
                input.extend(pixels.iter().map(|[red, _, _]| scaled(red, mean_r, std_r)));
                input.extend(pixels.iter().map(|[_, green, _]| scaled(green, mean_g, std_g)));
                input.extend(pixels.iter().map(|[_, _, blue]| scaled(blue, mean_b, std_b)));
            }
            Layout::Nhwc => input.extend(pixels.iter().flat_map(|[red, green, blue]| {
                [scaled(red, mean_r, std_r), scaled(green, mean_g, std_g), scaled(blue, mean_b, std_b)]
            })),
        }
    }
}

/// A fault of the configuration.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidRequest, message.into())
}
