//! The only place of the tests that reads the process environment.
#![allow(clippy::disallowed_methods)]

use std::{ffi::OsString, path::PathBuf};

/// The cargo that runs the tests, else the one on the `PATH`.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What cargo sets for a running test and does not set for a build.
pub(crate) fn set_by_cargo() -> Vec<OsString> {
    let theirs =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"];
    let set = |name: &str| theirs.iter().any(|prefix| name.starts_with(prefix));
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(set)).collect()
}

/// `CROSSLENS_TEST_BINARY`: a binary to test instead of the one that cargo builds from these sources.
pub(crate) fn binary() -> Option<PathBuf> {
    std::env::var_os("CROSSLENS_TEST_BINARY").map(PathBuf::from)
}

/// `CROSSLENS_TEST_DETECTOR`: a `detector-gcp` to test instead of the one that cargo builds from these sources.
pub(crate) fn detector() -> Option<PathBuf> {
    std::env::var_os("CROSSLENS_TEST_DETECTOR").map(PathBuf::from)
}

/// `CROSSLENS_TEST_PROXY`: a `proxy-aws` to test instead of the one that cargo builds from these sources.
pub(crate) fn proxy() -> Option<PathBuf> {
    std::env::var_os("CROSSLENS_TEST_PROXY").map(PathBuf::from)
}

/// `CROSSLENS_TEST_LAMBDA`: a zip to deploy instead of the one that cargo-lambda builds from these sources.
pub(crate) fn lambda() -> Option<PathBuf> {
    std::env::var_os("CROSSLENS_TEST_LAMBDA").map(PathBuf::from)
}

/// The folders of the `PATH`, in order.
pub(crate) fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Variables that would change what the binary does, and that a test therefore takes away from it.
pub(crate) fn foreign_settings() -> Vec<OsString> {
    let ours = |name: &str| ["CROSSLENS_", "OTEL_", "TWILIO_"].iter().any(|prefix| name.starts_with(prefix));
    let exact = ["RUST_LOG", "PORT", "K_SERVICE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_str().is_some_and(|name| ours(name) || exact.contains(&name.to_uppercase().as_str())))
        .collect()
}

/// Variables that would tell AWS's clients and servers something else than a test does.
pub(crate) fn foreign_aws_settings() -> Vec<OsString> {
    let theirs = |name: &str| name.starts_with("AWS_") || name.to_uppercase().ends_with("_PROXY");
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(theirs)).collect()
}

/// Where `crosslens` keeps the embedded model for this user, by the XDG base directory rules.
pub(crate) fn cache_dir() -> PathBuf {
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    own.or(home).unwrap_or_default().join("crosslens")
}
