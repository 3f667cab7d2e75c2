//! What follows from labels in `crosslens up`: verdict, blurred picture, translations, sidecar, review.

mod bad_days;
mod moderated;
mod review;

use std::{fs, path::PathBuf, time::Duration};

use image::DynamicImage;
use serde_json::Value;
use tests::{Builder, Server, client, photo, wait_until};

/// A policy that blurs coffee and sends cats to a person.
const COFFEE_AND_CATS: &str = r#"
[[rule]]
name = "coffee"
action = "blur"
any = [{ label = "espresso", score = 0.5 }]

[[rule]]
name = "cats"
action = "review"
any = [{ label_matches = "cat", score = 0.2 }]

[[rule]]
name = "missiles"
action = "quarantine"
any = [{ label = "missile", score = 0.1 }]
"#;

/// A server with this policy, which lies in a file beside the data.
struct Moderated {
    server: Server,
    policy: PathBuf,
    _folder: tempfile::TempDir,
}

impl Moderated {
    fn start(policy: &str) -> Self {
        Self::build(policy, Server::build())
    }

    fn build(policy: &str, builder: Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        fs::write(&path, policy).unwrap();
        let server = builder.arg("--policy").arg(&path).start();
        Self { server, policy: path, _folder: folder }
    }

    /// What lies in the bucket under this key.
    fn object(&self, key: &str) -> PathBuf {
        self.server.data().join("bucket").join(key)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> String {
        let answer = client().put(self.server.at(&format!("/uploads/{key}"))).body(bytes).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// The sidecar of this key once `is_ready` says so.
    fn sidecar(&self, key: &str, is_ready: impl Fn(&Value) -> bool) -> Value {
        let path = self.object(&format!("derived/sidecars/{key}.json"));
        wait_until("the sidecar to be complete", || {
            let sidecar: Value = serde_json::from_slice(&fs::read(&path).ok()?).unwrap();
            is_ready(&sidecar).then_some(sidecar)
        })
    }
}

fn picture(path: &std::path::Path) -> DynamicImage {
    image::load_from_memory(&fs::read(path).unwrap()).unwrap()
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(photo(name)).unwrap()
}

/// Long enough that what must not happen would have happened.
const A_WHILE: Duration = Duration::from_millis(1500);
