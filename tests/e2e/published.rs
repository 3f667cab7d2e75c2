//! What is published about the wire: the JSON Schemas in `docs/events` are those of the types.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use common::http::openapi::event_schemas;
use tests::workspace_root;

fn wanted() -> BTreeMap<PathBuf, String> {
    let folder = workspace_root().join("docs/events");
    let text = |schema| format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    event_schemas().into_iter().map(|(topic, schema)| (folder.join(format!("{topic}.json")), text(schema))).collect()
}

#[test]
fn event_schemas_are_those_of_the_types() {
    let wanted = wanted();
    let folder = fs::read_dir(workspace_root().join("docs/events")).unwrap();
    let there: BTreeSet<PathBuf> = folder.map(|file| file.unwrap().path()).collect();
    assert_eq!(there, wanted.keys().cloned().collect());
    for (path, text) in wanted {
        let published = fs::read_to_string(&path).unwrap_or_default();
        let hint = "cargo test --release -p tests -- --ignored write_event_schemas";
        assert!(published == text, "{} is not up to date; run: {hint}", path.display());
    }
}

#[test]
#[ignore = "writes docs/events"]
fn write_event_schemas() {
    for (path, text) in wanted() {
        fs::write(path, text).unwrap();
    }
}
