//! A Google ID token for an AWS role, before stand-ins that check the role's signature. The role's credentials are read from the
//! environment of the process, so each test asks from a process of its own: this test binary, with another environment.

use std::process::Stdio;

use common::{error::Result, ports::Identity};
use proxy_aws::google_identity::GoogleIdentity;
use secrecy::ExposeSecret;
use serde_json::Value;
use tests::{ACCESS_KEY, GoogleStandIn, REGION, SECRET_KEY};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use url::Url;

/// A process that asks for a token whenever it is told to.
struct Caller {
    _process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Caller {
    /// One whose role has this secret.
    async fn start(google: &GoogleStandIn, secret: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "google_identity::the_other_process", "--ignored", "--nocapture"]);
        for name in ["AWS_PROFILE", "AWS_DEFAULT_REGION", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.envs([("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", secret)]);
        command.env("AWS_SESSION_TOKEN", "the-session").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut caller = Self { _process: process, stdin, stdout };
        caller.write(&google.credentials().to_string()).await;
        caller
    }

    async fn write(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The token, or the failure's kind and causes.
    async fn token(&mut self) -> Result<String, String> {
        self.write("token").await;
        loop {
            let line = self.stdout.next_line().await.unwrap().expect("the other process has ended");
            // The harness writes as well, in part on the same line.
            if let Some((_, token)) = line.split_once("token: ") {
                return Ok(token.to_owned());
            }
            if let Some((_, failure)) = line.split_once("failure: ") {
                return Err(failure.to_owned());
            }
        }
    }
}

// The credentials are renewed beside the caller, on a thread that does not wait for lines.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this file run it, in a process with another environment"]
#[allow(clippy::print_stdout)]
async fn the_other_process() {
    let mut lines = std::io::stdin().lines().map(Result::unwrap);
    let Some(credentials) = lines.next() else { return };
    let audience = Url::parse("https://detector.example/some/path?query").unwrap();
    let identity = GoogleIdentity::new(&credentials, &audience).unwrap();
    for _ in lines {
        match identity.token().await {
            Ok(token) => println!("token: {}", token.expose_secret()),
            Err(error) => println!("failure: {error} ({})", error.causes()),
        }
    }
}

fn claims(token: &str) -> Value {
    let payload = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_role_gets_a_token_for_the_detector_and_keeps_it() {
    let google = GoogleStandIn::start().await;
    let mut caller = Caller::start(&google, SECRET_KEY).await;
    let token = caller.token().await.unwrap();
    assert_eq!(google.faults(), Vec::<String>::new());
    assert_eq!(claims(&token)["aud"], "https://detector.example", "scheme and host of the detector");
    assert_eq!(claims(&token)["email_verified"], true);
    for _ in 0..3 {
        assert_eq!(caller.token().await.unwrap(), token);
    }
    assert_eq!((google.exchanges(), google.given().len()), (1, 1), "one token for all");
}

#[tokio::test]
async fn a_token_that_is_nearly_over_is_renewed() {
    let google = GoogleStandIn::start().await;
    google.valid(20);
    let mut caller = Caller::start(&google, SECRET_KEY).await;
    let first = caller.token().await.unwrap();
    google.valid(3600);
    let second = caller.token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(caller.token().await.unwrap(), second);
    assert_eq!(google.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_is_over_is_never_shown() {
    let google = GoogleStandIn::start().await;
    google.valid(-60);
    let mut caller = Caller::start(&google, SECRET_KEY).await;
    let failure = caller.token().await.unwrap_err();
    assert!(failure.starts_with("unavailable: "), "{failure}");
    google.valid(3600);
    assert!(caller.token().await.is_ok());
}

#[tokio::test]
async fn a_right_that_is_given_later_is_noticed() {
    let google = GoogleStandIn::start().await;
    google.status(403);
    let mut caller = Caller::start(&google, SECRET_KEY).await;
    for _ in 0..2 {
        let failure = caller.token().await.unwrap_err();
        assert!(failure.starts_with("unavailable: "), "{failure}");
    }
    google.status(200);
    assert!(caller.token().await.is_ok());
    assert_eq!(google.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_signature_with_another_secret_gets_nothing() {
    let google = GoogleStandIn::start().await;
    let failure = Caller::start(&google, "another").await.token().await.unwrap_err();
    assert!(failure.starts_with("unavailable: "), "{failure}");
    assert!(!failure.contains("the-session") && !failure.contains("another"), "{failure}");
    assert_eq!(google.faults().first().map(String::as_str), Some("the signature does not match"));
    assert!(google.given().is_empty());
}
