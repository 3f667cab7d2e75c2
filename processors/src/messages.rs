//! Pictures by message: what comes in from Twilio, what people may say, and what they are answered.
//!
//! # Layout, in reading order
//! `routes` is the webhook; `signature` proves that it comes from Twilio, `incoming` reads it, `grammar` understands what is said,
//! and `door` makes it happen once and answers with `twiml`. `label` answers what is on a picture; whoever else consumes the
//! request topics answers what it can. `dispatch` sends the answers, cut by `segments`, through a `carrier`: `twilio`, or whatever
//! a machine without an account has.

mod carrier;
mod dispatch;
mod door;
mod grammar;
mod incoming;
mod label;
mod routes;
mod segments;
mod settings;
mod signature;
mod twilio;
mod twiml;

pub use carrier::{Carrier, Outcome, Outgoing};
pub use dispatch::Dispatch;
pub use door::{Door, Limits};
pub use label::Labels;
pub use routes::{REPLIES, Taken, routes, taken};
pub use segments::{Cut, cut, segments};
pub use settings::{NAMES, Settings};
pub use signature::{AuthToken, PublicUrl, SIGNATURE, Signed, Verifier, hashed, sign};
pub use twilio::{Account, Twilio};

/// The public URL that signatures on one machine without an account are made for; its port does not matter.
pub const LOCAL_URL: &str = "http://crosslens.local/messages";
