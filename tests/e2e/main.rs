//! End-to-end tests against the real `crosslens` binary and real peers; one binary, one module per area.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr, missing_docs)]

mod architecture;
mod aws_adapters;
mod aws_events;
mod aws_ledger;
mod aws_proxy;
mod aws_stack;
mod backfill;
mod callers;
mod corpus;
mod crash;
mod dead_letters;
mod doctor;
mod events;
mod failover;
mod faults;
mod fetch_limits;
mod google_identity;
mod http_api;
mod infra;
mod label;
mod label_many;
mod model;
mod page;
mod published;
mod rekognition;
mod ssrf;
mod ssrf_witness;
mod translation;
mod turbojpeg;
mod vision;
mod vision_face;
