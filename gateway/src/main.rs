//! `gateway`: one front door over several clouds.
//!
//! # Layout, in reading order
//! `relay` is one request from left to right; `routing` says where it may go and `fleet` whose turn it is; `keys` says who may
//! call and `identity` who we are to a cloud; `looks` looks at the clouds; `running` replaces the configuration; `admin` is for
//! the operator.

mod access;
mod admin;
mod client;
mod config;
mod fleet;
mod identity;
mod keys;
mod looks;
mod relay;
mod routing;
mod running;
mod tls;

use std::{
    convert::Infallible, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration,
};

use arc_swap::ArcSwap;
use clap::{Parser, Subcommand};
use common::{
    error::{Error, Kind, Result, internal},
    http::{Drain, Patience, install_metrics, serve, serve_each, terminated, use_ring},
    log,
};
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tracing::{info, warn};

use config::{Origin, environment};
use relay::Relay;
use running::{Reload, Running};

/// The longest that requests under way may take once a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);

/// One front door over several clouds: routes, watches, fails over, and says who answered.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, max_term_width = 100)]
struct Flags {
    /// The configuration [default: $CROSSLENS_GATEWAY, or gateway.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where clients come; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the operator comes: a loopback address
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Serves everybody who reaches the listener, at the operator's cost
    #[arg(long)]
    allow_unauthenticated: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says everything that is wrong with the configuration
    Check,
    /// Makes a key for a caller, and says what to write into the configuration
    Key {
        /// Who will have it
        name: String,
    },
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.causes();
            let because = if causes.is_empty() { String::new() } else { format!(" ({causes})") };
            let _ = writeln!(std::io::stderr(), "gateway: {}{because}", error.message());
            ExitCode::from(if error.kind() == Kind::InvalidRequest { 2 } else { 1 })
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    let mut origin = Origin::new(flags.config.as_deref(), environment());
    (origin.listen, origin.admin) = (flags.listen, flags.admin);
    origin.allow_unauthenticated = flags.allow_unauthenticated;
    let mut out = std::io::stdout();
    match &flags.command {
        Some(Command::Key { name }) => {
            let (key, section) = keys::made(name);
            writeln!(out, "{key}\n\nGive it to {name}; it is not kept anywhere. Into the configuration:\n\n{section}")
                .map_err(internal)
        }
        Some(Command::Check) => {
            let running = Running::new(origin.load()?, &origin, None)?;
            if let Some(tls) = &running.config.tls {
                tls::Certificate::default().read(tls)?;
            }
            writeln!(out, "{}: nothing is wrong", origin.file.display()).map_err(internal)
        }
        None => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(internal)?;
            runtime.block_on(up(origin))
        }
    }
}

async fn up(origin: Origin) -> Result<()> {
    use_ring();
    let filter = origin.environment.get("RUST_LOG").map_or("info", String::as_str);
    log::init(log::Format::Auto, filter)?;
    let metrics = install_metrics()?;
    let config = origin.load()?;
    let front = config.front.clone();
    let client = client::client(config.connect.timeout)?;
    let certificate = match &config.tls {
        None => None,
        Some(tls) => {
            let certificate = Arc::new(tls::Certificate::default());
            certificate.read(tls)?;
            Some(certificate)
        }
    };
    let acceptor = certificate.clone().map(tls::acceptor).transpose()?;
    let running = Arc::new(ArcSwap::from_pointee(Running::new(config, &origin, None)?));
    let reload = Arc::new(Reload::new(origin, running.clone(), certificate));
    tokio::spawn(reload.clone().watch());
    tokio::spawn(looks::keep_looking(running.clone(), client.clone()));
    let patience = Patience { head: front.slow_client, drain: DRAIN };
    if let Some(address) = front.admin {
        let listener = bind(address).await?;
        let shown = listener.local_addr().map_err(internal)?;
        let admin = admin::routes(admin::Admin { reload, metrics, since: Timestamp::now() });
        tokio::spawn(async move { serve(listener, admin, std::future::pending(), patience).await });
        let _ = writeln!(std::io::stdout(), "admin http://{shown}");
    }
    let listener = bind(front.listen).await?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stdout(), "ready {scheme}://{}", listener.local_addr().map_err(internal)?);
    let relay = Arc::new(Relay::new(running, client));
    let service = |peer: SocketAddr| {
        let relay = relay.clone();
        tower::service_fn(move |request| {
            let relay = relay.clone();
            async move { Ok::<_, Infallible>(relay.answer(request, peer).await) }
        })
    };
    let slow = front.slow_client;
    let drain = match acceptor {
        None => {
            let plain = |socket: TcpStream| std::future::ready(Ok(paced(socket, slow)));
            serve_each(listener, plain, service, terminated(), patience, front.max_connections).await
        }
        Some(acceptor) => {
            let secure = |socket: TcpStream| acceptor.accept(paced(socket, slow));
            serve_each(listener, secure, service, terminated(), patience, front.max_connections).await
        }
    };
    if drain == Drain::Cut {
        warn!("some requests were cut: they took longer than {DRAIN:?}");
    }
    info!("stopped");
    Ok(())
}

/// Cut when the client takes nothing of an answer for so long.
fn paced(socket: TcpStream, slow: Duration) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(slow));
    Box::pin(socket)
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let refused = |cause| Error::new(Kind::Unavailable, format!("cannot listen on {address}: {cause}"));
    TcpListener::bind(address).await.map_err(refused)
}
