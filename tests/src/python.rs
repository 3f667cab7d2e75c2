//! Pythons of the tests' own, with real peers and linters at exact versions, and the photographs that come with one of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{
    files::{target_dir, workspace_root},
    lock,
};

/// The interpreter of `target/tests-venv`, which is made from `tests/requirements.txt` on first use and made anew when that
/// file changes.
pub fn python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv", "requirements.txt")
}

/// The same for `target/tests-venv-infra` and `tests/requirements-infra.txt`, the linters of what is not Rust.
pub fn infra_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-infra", "requirements-infra.txt")
}

/// The same for `target/tests-venv-bench` and `tests/requirements-bench.txt`, peers of benchmarks alone.
pub fn bench_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-bench", "requirements-bench.txt")
}

/// The same for `target/tests-venv-aws` and `tests/requirements-aws.txt`, a server that speaks AWS's protocols.
pub fn aws_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-aws", "requirements-aws.txt")
}

/// The same for `target/tests-venv-moto` and `tests/requirements-moto.txt`, another one.
pub fn moto_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-moto", "requirements-moto.txt")
}

/// The same for `target/tests-venv-sam` and `tests/requirements-sam.txt`, the tools around the AWS stack.
pub fn sam_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-sam", "requirements-sam.txt")
}

/// The same for `target/tests-venv-lambda` and `tests/requirements-lambda.txt`, the builder of Lambda functions.
pub fn lambda_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-lambda", "requirements-lambda.txt")
}

/// The same for `target/tests-venv-twilio` and `tests/requirements-twilio.txt`, Twilio's official library.
pub fn twilio_python() -> &'static Path {
    static MADE: Made = OnceLock::new();
    made(&MADE, "tests-venv-twilio", "requirements-twilio.txt")
}

type Made = OnceLock<Result<PathBuf, String>>;

fn made(once: &'static Made, venv: &str, requirements: &str) -> &'static Path {
    let made = once.get_or_init(|| make(venv, requirements)).as_deref();
    made.unwrap_or_else(|error| panic!("the Python environment {venv}: {error}"))
}

fn make(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let (venv, requirements) = (target_dir().join(name), workspace_root().join("tests").join(requirements));
    let python = venv.join("bin/python");
    let wanted = fs::read_to_string(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    lock::once(&target_dir().join(format!("{name}.txt")), &wanted, || {
        quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        // Every package is listed, so nothing else is pulled in: scikit-image is here for its photographs, not to run.
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
        quiet(Command::new(&python).args(pip).arg("--requirement").arg(&requirements))
    })?;
    Ok(python)
}

fn quiet(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said())) }
}

/// Real photographs: `astronaut.png`, `brick.png`, `chelsea.png`, `coffee.png`, `rocket.jpg` and what else scikit-image
/// brings, sorted by name.
pub fn photos() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let library = python().ancestors().nth(2).expect("the interpreter lies in bin of its environment").join("lib");
        let is_photo = |path: &Path| {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            matches!(extension, "png" | "jpg") && path.parent().is_some_and(|folder| folder.ends_with("skimage/data"))
        };
        let files = walkdir::WalkDir::new(library).sort_by_file_name().into_iter().filter_map(Result::ok);
        let photos: Vec<PathBuf> = files.map(|file| file.into_path()).filter(|path| is_photo(path)).collect();
        assert!(!photos.is_empty(), "scikit-image brought no pictures");
        photos
    })
}

/// One photograph by its file name.
pub fn photo(name: &str) -> &'static Path {
    let found = photos().iter().find(|path| path.ends_with(name));
    found.unwrap_or_else(|| panic!("scikit-image has no picture {name}"))
}
