//! The tokens and keys of this run, signed and judged by PyJWT in one go.

use std::{process::Command, sync::OnceLock};

use serde::Deserialize;
use serde_json::Value;
use tests::{python, workspace_root};

pub(super) const AUDIENCE: &str = "https://detector.example";
pub(super) const ACCOUNT: &str = "proxy@p.iam.gserviceaccount.com";

/// What `mint.py` prints.
#[derive(Deserialize)]
pub(super) struct Minted {
    /// The key `one`, as a key server lists it.
    pub(super) one: Value,
    /// The key `two`.
    pub(super) two: Value,
    /// Keys that a server may list too and that must not be used.
    pub(super) others: Vec<Value>,
    pub(super) tokens: Vec<Token>,
    /// Well-formed tokens whose key ids nobody knows.
    pub(super) strangers: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) token: String,
    /// The status that PyJWT's answer comes to.
    pub(super) verdict: u16,
}

impl Minted {
    pub(super) fn token(&self, name: &str) -> &str {
        &self.tokens.iter().find(|token| token.name == name).unwrap().token
    }
}

pub(super) fn minted() -> &'static Minted {
    static MINTED: OnceLock<Minted> = OnceLock::new();
    MINTED.get_or_init(|| {
        // Tokens are not to grow old while something is built.
        tests::detector_gcp();
        let script = workspace_root().join("tests/e2e/callers/mint.py");
        let output = Command::new(python()).arg(script).args([AUDIENCE, ACCOUNT]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}
