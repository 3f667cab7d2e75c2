//! What the queues gave up, listed and brought back.
