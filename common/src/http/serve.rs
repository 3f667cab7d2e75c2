//! Listening, and stopping without dropping a request.

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    signal,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

/// Connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;
/// A client that takes longer for its request's head, or stays idle longer, is cut.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Every request under way was answered.
    Complete,
    /// Some were cut at the limit.
    Cut,
}

/// Serves until `stop` resolves, then answers what is under way for at most `drain`.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>, drain: Duration) -> Drain {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT).max_concurrent_streams(256);
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
        let (socket, _) = match socket {
            Ok(socket) => socket,
            Err(error) => {
                // Out of file descriptors, most likely: others close theirs in the meantime.
                warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(socket), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    info!("stopping: no new connections, answering what is under way");
    match timeout(drain, graceful.shutdown()).await {
        Ok(()) => Drain::Complete,
        Err(_) => Drain::Cut,
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
