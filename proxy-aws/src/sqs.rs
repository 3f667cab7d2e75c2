//! Queues: delays of what failed.
