//! Whether something that answers over the network should be asked now.

mod breaker;

pub use breaker::{Breaker, Pass, Patience};
