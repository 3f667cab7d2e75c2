//! A server that every address in the world leads to, inside a network namespace whose default route is the loopback, and
//! what it has seen. Not for use anywhere else.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What is answered to a request for this path: a whole HTTP/1.1 answer. `connection: close` in it is kept to.
pub(super) type Answers = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Listens on every address. It stops with the runtime that it was started on, or when it is told to.
pub(super) struct Witness {
    seen: Arc<Mutex<Vec<SocketAddr>>>,
    listeners: JoinSet<()>,
}

impl Witness {
    /// Listens on these ports.
    pub(super) async fn start(ports: &BTreeSet<u16>, answers: Answers) -> Self {
        let mut witness = Self { seen: Arc::default(), listeners: JoinSet::new() };
        for port in ports {
            // One socket for both families, as a fresh namespace has it.
            let listener =
                TcpListener::bind(("::", *port)).await.unwrap_or_else(|error| panic!("port {port}: {error}"));
            let (seen, answers) = (witness.seen.clone(), answers.clone());
            witness.listeners.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let address = stream.local_addr().unwrap();
                    seen.lock().unwrap().push(SocketAddr::new(address.ip().to_canonical(), address.port()));
                    tokio::spawn(serve(stream, answers.clone()));
                }
            });
        }
        // Without this every test about it could pass because nothing arrives anywhere.
        for (address, port) in [("198.51.100.1", 80), ("2001:db8::1", 80)] {
            TcpStream::connect((address, port)).await.unwrap_or_else(|error| panic!("{address}: {error}"));
            let arrived: IpAddr = address.parse().unwrap();
            while witness.connections().iter().all(|connection| connection.ip() != arrived) {
                tokio::task::yield_now().await;
            }
        }
        witness.forget();
        witness
    }

    /// Where connections were made to since the last time.
    pub(super) fn forget(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Frees the ports.
    pub(super) async fn stop(mut self) {
        self.listeners.shutdown().await;
    }

    fn connections(&self) -> Vec<SocketAddr> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answers: Answers) {
    // Somebody who speaks anything but HTTP, as in TLS, is hung up on; that it came is what counts.
    let mut first = [0];
    if !stream.peek(&mut first).await.is_ok_and(|_| first == *b"G") {
        return;
    }
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).split(b'\n');
    loop {
        let mut head: Vec<String> = Vec::new();
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let Some(path) = head.first().and_then(|line| line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")) else {
            return;
        };
        let answer = answers(path);
        if writer.write_all(answer.as_bytes()).await.is_err() || answer.contains("connection: close") {
            return;
        }
    }
}

/// How many connections this namespace has tried to open so far, whether or not anybody listened (RFC 4022,
/// `tcpActiveOpens`).
pub(super) fn opened() -> u64 {
    counter(&std::fs::read_to_string("/proc/net/snmp").unwrap(), "Tcp", "ActiveOpens")
}

/// A counter of `/proc/net/snmp`.
pub(super) fn counter(table: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|column| column == name).unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

/// Whether this process is alone in its network: there is the loopback and nothing else, so that nothing can leave it.
pub(super) fn is_alone() -> bool {
    let table = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let devices: Vec<&str> = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    devices == ["lo"]
}
