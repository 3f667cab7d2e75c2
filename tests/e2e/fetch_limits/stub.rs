//! A source that misbehaves: raw bytes on a loopback socket, by a plan of the test.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What is done with a connection after a request has arrived on it.
#[derive(Debug, Clone)]
pub(super) enum Play {
    /// These bytes; the connection stays open.
    Keep(Vec<u8>),
    /// These bytes, then the end.
    Close(Vec<u8>),
    /// The first bytes, then the second ones over and over for as long as the other side takes them, so slowly or at once.
    Forever(Vec<u8>, Vec<u8>, Duration),
}

/// A misbehaving source. It stops with the runtime that it was started on.
pub(super) struct Stub {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    left: mpsc::UnboundedReceiver<()>,
}

impl Stub {
    /// Plays what `plan` says about the request's path.
    pub(super) async fn start(plan: impl Fn(&str) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::default());
        let (gone, left) = mpsc::unbounded_channel();
        let (plan, asked) = (Arc::new(plan), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (plan, asked, gone) = (plan.clone(), Arc::clone(&asked), gone.clone());
                tokio::spawn(async move {
                    serve(stream, &*plan, &asked).await;
                    gone.send(()).unwrap_or_default();
                });
            }
        });
        Self { address, heads, left }
    }

    /// One that plays this whatever is asked.
    pub(super) async fn always(play: Play) -> Self {
        Self::start(move |_| play.clone()).await
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far, in lower case.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Waits until a connection has ended; who is fed for ever has hung up then.
    pub(super) async fn hung_up(&mut self) {
        self.left.recv().await.unwrap();
    }
}

async fn serve(mut stream: TcpStream, plan: &(dyn Fn(&str) -> Play + Send + Sync), heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let path = text.split(' ').nth(1).unwrap().to_owned();
        heads.lock().unwrap().push(text.to_lowercase());
        // A write fails when the other side has hung up.
        match plan(&path) {
            Play::Keep(bytes) => stream.write_all(&bytes).await.unwrap_or_default(),
            Play::Close(bytes) => return stream.write_all(&bytes).await.unwrap_or_default(),
            Play::Forever(first, again, wait) => {
                stream.write_all(&first).await.unwrap_or_default();
                while stream.write_all(&again).await.is_ok() {
                    // The shortest sleep is a millisecond.
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                }
                return;
            }
        }
    }
}

/// An answer with this status line, these headers and this body, its length included.
pub(super) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = head(status, headers);
    out.truncate(out.len() - 2);
    out.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    out.extend(body);
    out
}

/// The head of an answer, whose body is another matter.
pub(super) fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes()
}
