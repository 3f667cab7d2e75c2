//! The domain of Crosslens: what an image, a request, an analysis and an event are, the ports to the outside, and the
//! pipeline that joins them. Names no cloud.
//!
//! # Layout, in reading order
//! `pipeline` is the product; `ports` is what it needs; `error`, `image`, `request`, `analysis` and `event` are its words.
//! `source` opens strangers' URLs, `intake` takes images in and decodes them, `detectors` wraps detectors, `http` is the wire.

pub mod pipeline;
pub mod ports;

pub mod analysis;
pub mod error;
pub mod event;
pub mod image;
pub mod request;

pub mod compute;
pub mod detectors;
pub mod intake;
pub mod sample;
pub mod source;

pub mod http;
pub mod log;
