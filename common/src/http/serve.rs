//! Listening, and stopping without dropping a request.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{BoxError, Router};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt};
use tracing::{debug, info, warn};

/// Connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Every request under way was answered.
    Complete,
    /// Some were cut at the limit.
    Cut,
}

/// How long others are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A client that takes longer for its request's head, or stays idle longer, is cut.
    pub head: Duration,
    /// The most that requests under way may take once a stop was asked for.
    pub drain: Duration,
}

/// Serves until `stop` resolves, then answers what is under way.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>, patience: Patience) -> Drain {
    let plain = |socket: TcpStream| std::future::ready(Ok(socket));
    serve_each(listener, plain, |_| app.clone(), stop, patience, MAX_CONNECTIONS).await
}

/// The same for any service, made for each connection of a peer, over whatever `secure` makes of the connection; `most` at a time.
pub async fn serve_each<C, F, S, B>(
    listener: TcpListener,
    secure: impl Fn(TcpStream) -> F,
    service: impl Fn(SocketAddr) -> S,
    stop: impl Future<Output = ()>,
    patience: Patience,
    most: usize,
) -> Drain
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<C>> + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let connections = Arc::new(Semaphore::new(most));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(patience.head).max_concurrent_streams(256);
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // Closed never: the semaphore lives as long as this loop.
            let permit = connections.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, socket) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let (socket, peer) = match socket {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others close theirs in the meantime.
                warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let asked = Arc::new(AtomicBool::new(false));
        let service = service(peer).map_request({
            let asked = asked.clone();
            move |request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request
            }
        });
        let (secure, builder, watcher) = (secure(socket), builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            let conversation = async {
                let socket = secure.await?;
                let connection = builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
                watcher.watch(connection.into_owned()).await
            };
            tokio::select! {
                ended = conversation => if let Err(error) = ended {
                    debug!(%error, "connection ended");
                },
                () = silence(patience.head, &asked) => debug!("connection cut: nothing was asked"),
            }
            drop(permit);
        });
    }
    drop(listener);
    info!("stopping: no new connections, answering what is under way");
    match timeout(patience.drain, graceful.shutdown()).await {
        Ok(()) => Drain::Complete,
        Err(_) => Drain::Cut,
    }
}

/// Resolves when nothing was asked in time. The server's own timeout begins only once it knows which HTTP is spoken, which a
/// client that says nothing never tells.
async fn silence(head: Duration, asked: &AtomicBool) {
    sleep(head).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Resolves at SIGTERM or Ctrl-C.
pub async fn terminated() {
    let interrupt = async {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
