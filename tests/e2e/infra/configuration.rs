//! What python-hcl2 reads in `infra/`.

use std::process::Command;

use serde_json::{Map, Value};
use tests::python;

/// The files that it is given, as JSON, in their order.
const READ: &str = "
import hcl2, json, sys
read = []
for path in sys.argv[1:]:
    try:
        read.append(hcl2.loads(open(path).read()))
    except Exception as error:
        sys.exit(f'{path}: {error}')
json.dump(read, sys.stdout)";

/// All files of `infra/`, strings without their quotes. Reading them is the test that they can be read.
pub(super) struct Configuration(Vec<Value>);

impl Configuration {
    pub(super) fn read() -> Self {
        let files = super::terraform().into_keys();
        let output = Command::new(python()).args(["-c", READ]).args(files).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        Self(files.into_iter().map(unquoted).collect())
    }

    /// Every block of a kind, by the names in front of it.
    fn blocks<'a>(&'a self, kind: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let blocks = self.0.iter().filter_map(move |file| file.get(kind)?.as_array()).flatten();
        blocks.filter_map(Value::as_object).flatten().filter(|(name, _)| !name.starts_with("__"))
    }

    pub(super) fn block(&self, kind: &str, name: &str) -> &Value {
        let found = self.blocks(kind).find(|(other, _)| *other == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}")).1
    }

    pub(super) fn local(&self, name: &str) -> &Value {
        self.block("locals", name)
    }

    pub(super) fn output(&self, name: &str) -> &str {
        self.block("output", name)["value"].as_str().unwrap()
    }

    /// Kind, name and body of every resource; the kind without its `google_`.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.blocks("resource").flat_map(|(kind, named)| {
            let named = named.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with("__"));
            let kind = kind.strip_prefix("google_").unwrap_or(kind);
            named.map(move |(name, body)| (kind, name.as_str(), body))
        })
    }

    pub(super) fn resource(&self, kind: &str, name: &str) -> &Value {
        let found = self.resources().find(|found| (found.0, found.1) == (kind, name));
        found.unwrap_or_else(|| panic!("there is no {kind} {name}")).2
    }
}

/// python-hcl2 leaves quotes around what stood in quotes.
fn unquoted(value: Value) -> Value {
    let plain = |text: &str| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned();
    match value {
        Value::String(text) => plain(&text).into(),
        Value::Array(items) => items.into_iter().map(unquoted).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (plain(&name), unquoted(value)));
            fields.collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
