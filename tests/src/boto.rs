//! AWS's own Python client as a tongue of the tests: what a test sets up or looks at on a server, it says through boto3 and not
//! through the code that it tests.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{config::foreign_aws_settings, files::workspace_root};

/// The region that the servers of the tests are asked in.
pub const REGION: &str = "eu-central-1";
/// The credentials that the servers of the tests know.
pub const KEY: &str = "test";
/// The secret of [`KEY`].
pub const SECRET: &str = "test";

/// A Python with boto3 at the other end of two pipes. It ends when this is dropped.
#[derive(Debug)]
pub struct Boto {
    child: Child,
    pipes: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

/// How a call failed, in the server's words, or in boto3's with status 0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BotoError {
    pub code: String,
    pub message: String,
    pub status: u64,
}

impl fmt::Display for BotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl Boto {
    /// boto3 of this Python, talking to the server at `endpoint`.
    pub fn start(python: &Path, endpoint: &str) -> Self {
        Self::start_as(python, endpoint, KEY, SECRET)
    }

    /// The same as somebody else.
    pub fn start_as(python: &Path, endpoint: &str, key: &str, secret: &str) -> Self {
        let mut command = Command::new(python);
        command.arg(workspace_root().join("tests/src/boto.py")).args([endpoint, REGION, key, secret]);
        for name in foreign_aws_settings() {
            command.env_remove(name);
        }
        let spawned = command.env("NO_PROXY", "*").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("stdout was piped");
        let pipes = Mutex::new((child.stdin.take(), BufReader::new(stdout)));
        Self { child, pipes }
    }

    /// Calls an operation by boto3's names, as in `call("s3", "put_object", json!({…}))`, and panics where that fails. A
    /// parameter `{"$bytes": BASE64}` or `{"$file": PATH}` stands for bytes, and bytes are answered as the former.
    pub fn call(&self, service: &str, operation: &str, params: Value) -> Value {
        let answer = self.try_call(service, operation, params);
        answer.unwrap_or_else(|error| panic!("{service} {operation}: {error}"))
    }

    /// The same for a call that may fail.
    pub fn try_call(&self, service: &str, operation: &str, params: Value) -> Result<Value, BotoError> {
        let line = json!({ "service": service, "operation": operation, "params": params });
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = pipes.0.as_mut().expect("the pipe is open as long as this is there");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the Python with boto3 is there");
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).expect("the Python with boto3 answers");
        let mut answer: Value = serde_json::from_str(&answer).expect("the Python with boto3 answers in JSON");
        match answer.get("error") {
            None => Ok(answer.get_mut("answer").map(Value::take).unwrap_or_default()),
            Some(error) => Err(BotoError {
                code: error["code"].as_str().unwrap_or_default().to_owned(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                status: error["status"].as_u64().unwrap_or_default(),
            }),
        }
    }
}

impl Drop for Boto {
    fn drop(&mut self) {
        // The end of its stdin is the end of its loop.
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).0.take();
        self.child.wait().expect("a started program can be waited for");
    }
}
