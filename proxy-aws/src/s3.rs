//! Objects of the configured buckets, and what the pipeline keeps.
