//! The rules of ARCHITECTURE.md that a machine can hold: arrows between packages, no cloud SDK where none belongs, small files
//! that say what they are for, settings read in one place.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::workspace_root;
use walkdir::WalkDir;

const MOST_LINES: usize = 500;
/// What a window of an editor shows at once.
const SCREEN: usize = 40;

/// Which packages of the workspace a package may stand on, besides `common`.
const ARROWS: [(&str, &[&str]); 8] = [
    ("common", &[]),
    ("detector-local", &[]),
    ("detector-gcp", &["detector-local"]),
    ("processors", &[]),
    ("proxy-aws", &["processors"]),
    ("gateway", &[]),
    ("local", &[]),
    ("cli", &["processors", "local", "detector-local", "detector-gcp", "proxy-aws"]),
];
/// Of the arrows of `cli`, those that a default build must not follow.
const OPTIONAL_IN_CLI: [&str; 2] = ["detector-gcp", "proxy-aws"];
/// These stand on whatever they test or measure.
const UNBOUND: [&str; 2] = ["tests", "bench"];

/// Which packages may name a cloud's SDK: how its crates begin, and where.
const SDKS: [(&str, &[&str]); 8] = [
    ("aws-sigv4", &["proxy-aws", "gateway"]),
    // Where the credentials come from that the gateway signs with.
    ("aws-config", &["proxy-aws", "gateway"]),
    ("aws-credential-types", &["gateway"]),
    ("aws-smithy-http-client", &["proxy-aws", "gateway"]),
    ("google-cloud-auth", &["detector-gcp", "proxy-aws", "gateway"]),
    ("aws", &["proxy-aws"]),
    ("google-cloud", &["detector-gcp"]),
    ("lambda", &["proxy-aws"]),
];

#[test]
fn packages_stand_only_on_what_the_map_shows() {
    let members = members();
    for (name, manifest) in &members {
        if UNBOUND.contains(&name.as_str()) {
            continue;
        }
        let (_, allowed) = ARROWS
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("{name} is not on the map: add it to ARCHITECTURE.md and to this test"));
        for (dependency, wanted) in dependencies(manifest) {
            if !members.contains_key(&dependency) || (dependency == "common" && name != "common") {
                continue;
            }
            assert!(allowed.contains(&dependency.as_str()), "{name} must not stand on {dependency}");
            if name == "cli" && OPTIONAL_IN_CLI.contains(&dependency.as_str()) {
                let optional = wanted.get("optional").and_then(toml::Value::as_bool);
                assert_eq!(optional, Some(true), "{dependency} is behind a feature of cli");
            }
        }
    }
}

#[test]
fn a_cloud_sdk_is_named_only_in_its_cloud() {
    for (name, manifest) in members() {
        for (dependency, _) in dependencies(&manifest) {
            let Some((sdk, homes)) = SDKS.iter().find(|(sdk, _)| is_of(&dependency, sdk)) else { continue };
            assert!(
                homes.contains(&name.as_str()),
                "{name} must not depend on {dependency} ({sdk} belongs in {homes:?})"
            );
        }
    }
    for (path, text) in sources() {
        let home = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for sdk in ["aws_sdk_", "aws_config", "aws_sigv4", "google_cloud_", "lambda_runtime"] {
                let cloud = ["proxy-aws", "detector-gcp", "gateway"].contains(&home.as_str());
                assert!(cloud || !line.contains(sdk), "{}: {sdk} does not belong here", path.display());
            }
        }
    }
}

#[test]
fn a_default_build_of_the_binary_compiles_no_cloud_sdk() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "-p", "cli", "-e", "normal,build", "--prefix", "none", "--offline", "--locked", "-f", "{p}"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(crates.contains(&"common") && crates.contains(&"tokio"), "this is not the tree of cli: {tree}");
    for name in crates {
        assert!(!SDKS.iter().any(|(sdk, _)| is_of(name, sdk)), "a default build compiles {name}");
    }
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines, over {MOST_LINES}: split it", path.display());
        assert!(text.starts_with("//! "), "{} does not begin by saying what it is for (`//! `)", path.display());
    }
}

#[test]
fn drawers_have_no_place() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "helpers", "helper", "misc"].contains(&name.as_str()),
            "{}: name it",
            path.display()
        );
    }
}

#[test]
fn the_product_reads_on_one_screen() {
    let text = fs::read_to_string(workspace_root().join("common/src/pipeline.rs")).unwrap();
    let product =
        text.lines().skip_while(|line| !line.contains("pub async fn process(")).take_while(|line| *line != "    }");
    let lines = product.count();
    assert!((1..=SCREEN).contains(&lines), "`Pipeline::process` has {lines} lines, a screen has {SCREEN}");
}

#[test]
fn settings_are_read_in_config_files_only() {
    for (path, text) in sources() {
        if path.ends_with("config.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let reads =
                code.contains("env::var") || code.contains("env::set_var") || code.contains("disallowed_methods");
            assert!(!reads, "{}:{}: the environment is read in config.rs only", path.display(), number + 1);
        }
    }
}

/// Whether a crate is the SDK or one of its parts: `aws-config` is of `aws`, `awesome` is not.
fn is_of(name: &str, sdk: &str) -> bool {
    name.strip_prefix(sdk).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
        && !name.starts_with("aws-lc")
}

/// The packages of the workspace by name, with their manifests.
fn members() -> BTreeMap<String, toml::Table> {
    let workspace = manifest(&workspace_root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let read = |member: &toml::Value| {
        let manifest = manifest(&workspace_root().join(member.as_str().unwrap()).join("Cargo.toml"));
        (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
    };
    members.iter().map(read).collect()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a package stands on, on any platform, in its build and at run time; tests may stand on more.
fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    let platforms = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let tables = platforms.filter_map(|(_, platform)| platform.as_table()).chain([manifest]);
    let sections = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|section| table.get(section)));
    sections
        .flatten()
        .filter_map(toml::Value::as_table)
        .flatten()
        .map(|(name, wanted)| (name.clone(), wanted.clone()))
        .collect()
}

/// Every Rust file of the workspace but this one, which has to spell what it forbids, by its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let members = manifest(&workspace_root().join("Cargo.toml"))["workspace"]["members"].as_array().unwrap().clone();
    let folders = members.iter().map(|member| workspace_root().join(member.as_str().unwrap()));
    let files =
        folders.flat_map(|folder| WalkDir::new(folder).sort_by_file_name()).map(|file| file.unwrap().into_path());
    let rust =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with(file!()));
    let found: Vec<(PathBuf, String)> = rust
        .map(|path| (path.strip_prefix(workspace_root()).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(found.len() > 10, "the sources were not found");
    found
}
