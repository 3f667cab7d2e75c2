//! An HTTP client without ambient settings, and a picture server that counts who came.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, http::header, routing::get};
use bytes::Bytes;

/// A client that uses no proxy and follows no redirect. One for each call, because a client belongs to the runtime that it
/// was first used on, and every test has its own.
pub fn client() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    // It is installed already when a test has used the domain's own fetcher.
    PROVIDER.get_or_init(|| rustls::crypto::ring::default_provider().install_default().unwrap_or_default());
    let policy = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(policy).build().expect("a plain client builds")
}

/// A picture that differs from every other one by its number: 8 × 8 pixels of one colour, as BMP. For tests that need many
/// pictures and do not care what is in them.
pub fn numbered_picture(number: u32) -> Vec<u8> {
    const SIDE: u32 = 8;
    const HEAD: u32 = 14 + 40;
    let pixels = 3 * SIDE * SIDE;
    let mut bytes = b"BM".to_vec();
    for word in [HEAD + pixels, 0, HEAD, 40, SIDE, SIDE, 1 | 24 << 16, 0, pixels, 0, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    let [blue, green, red, more] = number.to_le_bytes();
    assert_eq!(more, 0, "a colour has 24 bits");
    bytes.extend([blue, green, red].repeat(64));
    bytes
}

/// A loopback server with one picture. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct Picture {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Picture {
    /// `127.0.0.1:PORT`, as `--allow-source` takes it.
    pub fn source(&self) -> String {
        self.address.to_string()
    }

    /// The picture's URL.
    pub fn url(&self) -> String {
        format!("http://{}/picture", self.address)
    }

    /// How many requests have arrived.
    pub fn requests(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Serves these bytes on a loopback port under any path.
pub async fn serve_picture(bytes: impl Into<Bytes>, content_type: &'static str) -> Picture {
    let (bytes, connections) = (bytes.into(), Arc::new(AtomicUsize::new(0)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let counter = Arc::clone(&connections);
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let bytes = bytes.clone();
        async move { ([(header::CONTENT_TYPE, content_type)], bytes) }
    };
    let router = Router::new().route("/{*path}", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Picture { address, connections }
}
