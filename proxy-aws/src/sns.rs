//! Events to SNS topics.
