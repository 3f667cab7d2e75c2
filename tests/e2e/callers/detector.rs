//! A running `detector-gcp` that asks for ID tokens.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    key_server::KeyServer,
    minted::{ACCOUNT, AUDIENCE},
};

/// It is stopped when this is dropped.
pub(super) struct Detector {
    child: Child,
    url: String,
    client: reqwest::Client,
    folder: TempDir,
}

impl Detector {
    /// With Vision, because that needs no model; nothing here asks it anything.
    pub(super) fn start(keys: &KeyServer) -> Self {
        let folder = TempDir::new().unwrap();
        let binary = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("detector-gcp");
        let mut child = Command::new(&binary)
            .args(["--listen", "127.0.0.1:0", "--vision-credentials", "none"])
            .args(["--vision-endpoint", "http://127.0.0.1:9", "--audience", AUDIENCE, "--allow-caller", ACCOUNT])
            .env("CROSSLENS_GOOGLE_KEYS_URL", keys.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; build it with --bin detector-gcp", binary.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("it does not start: {line:?}")).to_owned();
        Self { child, url, client: tests::client(), folder }
    }

    /// The status that a token gets where only callers may read.
    pub(super) async fn status(&self, token: &str) -> u16 {
        self.get("/metrics", Some(&format!("Bearer {token}"))).await
    }

    /// The status of a path with this `Authorization`.
    pub(super) async fn get(&self, path: &str, authorization: Option<&str>) -> u16 {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = authorization.into_iter().fold(request, |request, text| request.header("authorization", text));
        request.send().await.unwrap().status().as_u16()
    }

    /// What it has written on stderr.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}
