//! The proxy as a Lambda function on AWS's own runtime emulator, which the pip package `aws-sam-cli` brings along.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    aws_servers::free_port,
    binary::proxy_aws,
    boto::{KEY, REGION, SECRET},
    config::foreign_aws_settings,
    files::workspace_root,
    http::client,
    process::{children, signal, wait_until},
    python::sam_python,
};

/// Seconds that an invocation may take before the emulator kills the function, unless it is told otherwise.
const TIMEOUT: u32 = 60;

/// A function that can be invoked. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Function {
    leash: Child,
    invoke: String,
    own: TempDir,
}

/// How an invocation ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Failed {
    pub kind: String,
    pub message: String,
}

impl Function {
    /// A function with these variables, and an invocation's usual time.
    pub fn start(env: &[(&str, String)]) -> Self {
        Self::start_for(env, TIMEOUT)
    }

    /// The same, with the emulator killing it after so many seconds.
    pub fn start_for(env: &[(&str, String)], timeout: u32) -> Self {
        Self::start_program(&[proxy_aws().as_os_str()], free_port(), env, timeout)
    }

    /// Another program, with its arguments, in place of the proxy; the emulator answers it on this port.
    pub fn start_program(program: &[&OsStr], runtime_port: u16, env: &[(&str, String)], timeout: u32) -> Self {
        let own = TempDir::new().expect("there is a folder for temporary files");
        let port = free_port();
        let mut command = Command::new("python3");
        command.arg(workspace_root().join("tests/src/leash.py")).arg(emulator());
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{runtime_port}")]);
        command.args(program).current_dir(own.path());
        for name in foreign_aws_settings() {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", REGION);
        command.env("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.to_string()).env("AWS_LAMBDA_FUNCTION_NAME", "proxy");
        command.envs(env.iter().map(|(name, value)| (*name, value)));
        let log = File::create(own.path().join("function.log")).expect("a folder of one's own can be written");
        let errors = log.try_clone().expect("an open file can be shared");
        let spawned = command.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn();
        let leash = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        wait_until("the runtime emulator", || TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()));
        let invoke = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
        Self { leash, invoke, own }
    }

    /// Invokes it; what a function answers with is JSON, and so are its failures.
    pub async fn invoke(&self, event: &Value) -> Result<Value, Failed> {
        let answer = client().post(&self.invoke).body(event.to_string()).send().await.expect("the emulator answers");
        let text = answer.text().await.expect("the emulator answers");
        let answer: Value = match serde_json::from_str(&text) {
            Ok(answer) => answer,
            // The emulator's own words, as when the time is up.
            Err(_) => return Err(Failed { kind: "emulator".to_owned(), message: text }),
        };
        match answer.get("errorType").and_then(Value::as_str) {
            None => Ok(answer),
            Some(kind) => {
                let message = answer["errorMessage"].as_str().unwrap_or_default().to_owned();
                Err(Failed { kind: kind.to_owned(), message })
            }
        }
    }

    /// The program's process, which is there once it was invoked.
    pub fn pid(&self) -> u32 {
        let of = |parent| wait_until("a process to start another", || children(parent).first().copied());
        of(of(self.leash.id()))
    }

    /// Ends the program in the middle of whatever it does, as Lambda does at the deadline. The next invocation starts it anew.
    pub fn kill(&self) {
        for emulator in children(self.leash.id()) {
            for function in children(emulator) {
                signal(function, "KILL");
            }
        }
    }

    /// What the function and the emulator have written.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.own.path().join("function.log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the function's log\n{}", self.log());
        }
        drop(self.leash.stdin.take());
        self.leash.wait().expect("a started program can be waited for");
    }
}

/// AWS's runtime emulator for this machine.
fn emulator() -> PathBuf {
    let lib = sam_python().parent().and_then(|bin| bin.parent()).expect("a virtual environment").join("lib");
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let versions = fs::read_dir(&lib).unwrap_or_else(|error| panic!("{}: {error}", lib.display()));
    let paths = versions
        .flatten()
        .map(|version| version.path().join(format!("site-packages/samcli/local/rapid/aws-lambda-rie-{architecture}")));
    paths.into_iter().find(|path| path.is_file()).expect("aws-sam-cli brings the emulator along")
}
