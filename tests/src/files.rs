//! Where things lie on disk.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the workspace")
}

/// Cargo's target folder and the name of the profile's folder in it, read off where the running test lies
/// (`target/PROFILE/deps/e2e-…`).
pub(crate) fn built_in() -> &'static (PathBuf, String) {
    static PLACE: OnceLock<(PathBuf, String)> = OnceLock::new();
    PLACE.get_or_init(|| {
        let exe = std::env::current_exe().expect("a running test knows its own file");
        let profile = exe.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("tests lie in a folder");
        let name = profile.file_name().expect("the profile's folder has a name").to_string_lossy().into_owned();
        (profile.parent().expect("the profile's folder lies in the target folder").to_owned(), name)
    })
}

/// Cargo's target folder.
pub fn target_dir() -> &'static Path {
    &built_in().0
}

/// The folder of inputs that nobody on this project wrote, `../shared/cases` beside the workspace. It is not part of the
/// repository: without it this says so on stderr, and the test that needs it is skipped.
pub fn cases_dir() -> Option<PathBuf> {
    let cases = workspace_root().parent()?.join("shared/cases");
    if cases.is_dir() {
        return Some(cases);
    }
    eprintln!("skipped: the foreign inputs are not at {}", cases.display());
    None
}
