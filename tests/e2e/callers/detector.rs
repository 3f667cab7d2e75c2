//! A running `detector-gcp` that asks for ID tokens.

use super::{
    key_server::KeyServer,
    minted::{ACCOUNT, AUDIENCE},
};

pub(super) struct Detector {
    running: tests::Detector,
    client: reqwest::Client,
}

impl Detector {
    /// With Vision, because that needs no model; nothing here asks it anything.
    pub(super) fn start(keys: &KeyServer) -> Self {
        let running = tests::Detector::build()
            .args(["--vision-credentials", "none", "--vision-endpoint", "http://127.0.0.1:9"])
            .args(["--audience", AUDIENCE, "--allow-caller", ACCOUNT])
            .env("CROSSLENS_GOOGLE_KEYS_URL", keys.url())
            .start();
        Self { running, client: tests::client() }
    }

    /// The status that a token gets where only callers may read.
    pub(super) async fn status(&self, token: &str) -> u16 {
        self.get("/metrics", Some(&format!("Bearer {token}"))).await
    }

    /// The status of a path with this `Authorization`.
    pub(super) async fn get(&self, path: &str, authorization: Option<&str>) -> u16 {
        let request = self.client.get(self.running.at(path));
        let request = authorization.into_iter().fold(request, |request, text| request.header("authorization", text));
        request.send().await.unwrap().status().as_u16()
    }

    /// What it has written on stderr.
    pub(super) fn log(&self) -> String {
        self.running.stderr()
    }
}
