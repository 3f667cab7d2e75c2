//! What is in a bucket already, enqueued for the stack to label.
