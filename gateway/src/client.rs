//! Connections to clouds: one pool for the whole process, so that every thread finds the connections of all others.

use std::time::Duration;

use axum::body::Body;
use common::error::Result;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// Longer than clouds keep idle connections open, we need not.
const IDLE: Duration = Duration::from_secs(50);

pub(crate) type Client = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// A client that gives a connection this long to come about.
pub(crate) fn client(connect: Duration) -> Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    let mut tls = common::tls::for_client()?;
    // The connector says itself what it speaks.
    tls.alpn_protocols.clear();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).timer(TokioTimer::new());
    builder.http2_keep_alive_interval(Duration::from_secs(10)).http2_keep_alive_timeout(Duration::from_secs(5));
    Ok(builder.build(connector))
}
