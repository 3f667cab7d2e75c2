//! The wire: the routes of the HTTP API, what wraps them, and the server. The same on every front.
//!
//! # Layout, in reading order
//! `routes` is the whole API on one page; `layers` is what wraps a handler, in order; `problem` is how errors look;
//! `serve` listens and drains. A front adds its own routes to [`routes::api`] before it wraps them.

mod admission;
mod body;
mod caller;
mod collections;
mod context;
mod detect;
mod detector;
mod guard;
mod health;
mod images;
pub mod layers;
mod observe;
pub mod openapi;
pub mod problem;
pub mod routes;
mod serve;
mod trace;

pub use admission::Admission;
pub use body::bounded;
pub use caller::{Callers, SIGNED, Verify};
pub use collections::{FaceFront, collections};
pub use context::Context;
pub use guard::Guard;
pub use images::{BILLED, PROVIDER};
pub use observe::{CLOUD, REQUEST_ID, bounded as bounded_method, install_metrics, usable_id};
pub use problem::fill;
pub use routes::{Front, Kept, api};
pub use serve::{Drain, Patience, serve, serve_each, terminated};
pub use trace::{continued, trace_id};

/// Makes ring the process's TLS provider; later calls change nothing.
pub fn use_ring() {
    // The only failure is that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
