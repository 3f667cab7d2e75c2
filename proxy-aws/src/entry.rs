//! Lambda events in, answers out.
