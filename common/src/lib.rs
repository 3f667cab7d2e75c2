//! The domain of Crosslens: what an image, a request, an analysis and an event are, the ports to the outside, and the
//! pipeline that joins them. Names no cloud.
//!
//! # Layout, in reading order
//! `pipeline` is the product, `look` its part without memory and `upload` its way in from a bucket; `ports` is what it needs; `error`, `image`, `request`, `analysis`,
//! `moderation`, `translation`, `message`, `event` and, about a gateway, `clouds` are its words.
//! `source` opens strangers' URLs, `intake` takes images in and decodes them, `detectors` wraps detectors,
//! `endpoints` knows when to leave one alone, `http` is the wire, `settings` reads what the operator wants.

pub mod derived;
pub mod faces;
pub(crate) mod later;
pub mod look;
pub mod pipeline;
pub mod ports;
pub mod tell;
pub mod upload;

pub mod analysis;
pub mod clouds;
pub mod error;
pub mod event;
pub mod image;
pub mod message;
pub mod moderation;
pub mod request;
pub mod translation;

pub mod compute;
pub mod detectors;
pub mod endpoints;
pub mod intake;
pub mod sample;
pub mod source;
pub mod tls;

pub mod http;
pub mod log;
pub mod settings;
