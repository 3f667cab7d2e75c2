//! Real servers that speak AWS's protocols, on loopback ports of their own: ministack, and moto as the second opinion.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    boto::{Boto, KEY, REGION, SECRET},
    config::foreign_aws_settings,
    files::workspace_root,
    process::wait_until,
    python::{aws_python, moto_python},
};

/// Another program may take a free port before the server does.
const TRIES: usize = 5;

/// ministack: S3, SNS, SQS, DynamoDB, CloudFormation, and Lambda functions that run as
/// processes. It is stopped, with what it has started, when this is dropped.
#[derive(Debug)]
pub struct Ministack {
    boto: Boto,
    server: AwsServer,
}

impl Ministack {
    /// Starts it empty and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with more variables, as `AUTH` with `true` for signatures that are checked.
    pub fn start_with(env: &[(&str, &str)]) -> Self {
        let server = AwsServer::start("/_ministack/health", |command, port, own| {
            command.arg(aws_python().with_file_name("ministack"));
            command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
            // Real API Gateway names would need a name server; a host that is an address ends lambda_http.
            command.env("MINISTACK_HOST", "localhost").env("MINISTACK_REGION", REGION);
            command.env("S3_DATA_DIR", own.join("s3")).env("STATE_DIR", own.join("state"));
            command.env("DOCKER_HOST", format!("unix://{}", own.join("no-docker.sock").display()));
            command.envs(env.iter().copied());
        });
        Self { boto: Boto::start(aws_python(), server.url()), server }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// boto3, talking to it.
    pub fn boto(&self) -> &Boto {
        &self.boto
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// [moto](https://docs.getmoto.org)'s server: S3, SNS with real signatures, SQS and DynamoDB. It runs no functions. It is
/// stopped when this is dropped.
#[derive(Debug)]
pub struct Moto {
    boto: Boto,
    server: AwsServer,
}

impl Moto {
    /// Starts it empty and waits until it answers.
    pub fn start() -> Self {
        let server = AwsServer::start("/moto-api/", |command, port, _own| {
            command.arg(moto_python().with_file_name("moto_server"));
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        });
        Self { boto: Boto::start(moto_python(), server.url()), server }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// boto3, talking to it.
    pub fn boto(&self) -> &Boto {
        &self.boto
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// A server on a leash: it ends when this process does, however that comes about.
#[derive(Debug)]
struct AwsServer {
    leash: Child,
    url: String,
    own: TempDir,
}

impl AwsServer {
    fn start(health: &str, prepare: impl Fn(&mut Command, u16, &Path)) -> Self {
        for _ in 0..TRIES {
            if let Some(started) = Self::try_start(health, &prepare) {
                return started;
            }
        }
        panic!("no server of AWS's protocols has started in {TRIES} tries");
    }

    fn try_start(health: &str, prepare: impl Fn(&mut Command, u16, &Path)) -> Option<Self> {
        let own = TempDir::new().expect("there is a folder for temporary files");
        let port = free_port();
        let mut command = Command::new("python3");
        command.arg(workspace_root().join("tests/src/leash.py"));
        for name in foreign_aws_settings() {
            command.env_remove(name);
        }
        // Whatever it writes goes with it.
        command.env("TMPDIR", own.path()).env("HOME", own.path()).current_dir(own.path());
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("PYTHONUNBUFFERED", "1");
        prepare(&mut command, port, own.path());
        let log = File::create(own.path().join("server.log")).expect("a folder of one's own can be written");
        let errors = log.try_clone().expect("an open file can be shared");
        let spawned = command.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn();
        let leash = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut server = Self { leash, url: format!("http://127.0.0.1:{port}"), own };
        let running = wait_until(&format!("a server of AWS's protocols on port {port}"), || {
            if server.leash.try_wait().expect("a started program can be asked").is_some() {
                return Some(false);
            }
            answers(port, health).then_some(true)
        });
        if !running {
            eprintln!("--- the server's log\n{}", server.log());
        }
        running.then_some(server)
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.own.path().join("server.log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for AwsServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the end of the server's log");
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        drop(self.leash.stdin.take());
        self.leash.wait().expect("a started program can be waited for");
    }
}

/// A port of loopback that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Whether somebody on this port answers with status 200.
fn answers(port: u16, path: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .and_then(|()| write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"));
    let mut head = [0; 12];
    asked.and_then(|()| stream.read_exact(&mut head)).is_ok() && head.ends_with(b" 200")
}
