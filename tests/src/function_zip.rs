//! The proxy's program as Lambda gets it: a zip with `bootstrap` in it, built by cargo-lambda in the profile that is deployed.

use std::{
    env::join_paths,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    chromium::found_or_installed,
    config,
    files::{target_dir, workspace_root},
    python::lambda_python,
};

/// The zip for this machine's kind of processor, as ministack runs it. `CROSSLENS_TEST_LAMBDA` names another one to test.
pub fn function_zip() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    ZIP.get_or_init(|| config::lambda().unwrap_or_else(|| built("--x86-64", "lambda-x86_64", "proxy-aws")))
}

/// The zip as it is deployed. It cannot be run here.
pub fn arm64_function_zip() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    // In a folder of its own: it would take the other one's place.
    ZIP.get_or_init(|| built("--arm64", "lambda-arm64", "proxy-aws"))
}

/// The least that a function can be, built alike.
pub fn hello_zip() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    ZIP.get_or_init(|| built("--x86-64", "lambda-x86_64", "hello"))
}

/// The least that answers a picture with the same calls, built alike.
pub fn bare_zip() -> &'static Path {
    static ZIP: OnceLock<PathBuf> = OnceLock::new();
    ZIP.get_or_init(|| built("--x86-64", "lambda-x86_64", "bare"))
}

fn built(architecture: &str, folder: &str, program: &str) -> PathBuf {
    let folder = target_dir().join(folder);
    let cargo_lambda = lambda_python().with_file_name("cargo-lambda");
    let mut build = Command::new(&cargo_lambda);
    for name in config::set_by_cargo() {
        build.env_remove(name);
    }
    // It looks for its linker with the first Python of the path, and that has to be its own.
    let own = cargo_lambda.parent().expect("programs lie in a folder").to_owned();
    let path = join_paths([own].into_iter().chain(config::search_path())).expect("the path is made of paths");
    build.env("PATH", path).env("CARGO_TARGET_DIR", target_dir()).current_dir(workspace_root());
    build.args(["lambda", "build", "--profile", "lambda", architecture, "--package", "proxy-aws", "--bin", program]);
    // As it is deployed, where this machine has what that takes.
    let tools = [("cmake", "cmake"), ("nasm", "nasm")];
    if program == "proxy-aws" && tools.iter().all(|(tool, package)| found_or_installed(tool, package).is_some()) {
        build.args(["--features", "turbojpeg"]);
    }
    build.args(["--output-format", "zip", "--lambda-dir"]).arg(&folder);
    let status = build.status().unwrap_or_else(|error| panic!("{build:?}: {error}"));
    assert!(status.success(), "{build:?} fails; its words are above");
    folder.join(program).join("bootstrap.zip")
}
