//! The events of a running server, as its page follows them.

use std::time::Duration;

use serde_json::Value;

use crate::{http::client, server::Server};

/// Only keeps a broken test from hanging.
const LIMIT: Duration = Duration::from_secs(120);
/// What the pipeline itself publishes.
const PIPELINE: [&str; 2] = ["image_labelled", "image_failed"];

/// An open stream of `GET /events`: what is published after it was opened.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    unread: Vec<u8>,
    all: bool,
}

/// One Server-Sent Event.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its name, which is the topic.
    pub topic: String,
    /// The CloudEvent.
    pub event: Value,
}

impl Events {
    /// Follows what the pipeline tells: labelled and failed images.
    pub async fn follow(server: &Server) -> Self {
        Self::open(server, false).await
    }

    /// Follows every topic, those of processors as well.
    pub async fn follow_all(server: &Server) -> Self {
        Self::open(server, true).await
    }

    async fn open(server: &Server, all: bool) -> Self {
        let response = client().get(server.at("/events")).send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "GET /events");
        Self { response, unread: Vec::new(), all }
    }

    /// The next event; panics when there is none for a very long time.
    pub async fn next(&mut self) -> Sent {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
                let sent = parse(std::str::from_utf8(&frame).expect("a whole frame is UTF-8"));
                if let Some(sent) = sent.filter(|sent| self.all || PIPELINE.contains(&sent.topic.as_str())) {
                    return sent;
                }
                continue;
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("an event in good time");
            self.unread.extend(chunk.expect("the stream stays open").expect("the stream has no end"));
        }
    }

    /// The next event of this topic about this image; others are passed over.
    pub async fn about(&mut self, topic: &str, id: &str) -> Value {
        loop {
            let sent = self.next().await;
            if sent.topic == topic && sent.event["subject"] == id {
                return sent.event;
            }
        }
    }

    /// All events up to and with the one about this image.
    pub async fn until(&mut self, id: &str) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            if all.last().is_some_and(|sent| sent.event.get("subject").is_some_and(|subject| subject == id)) {
                return all;
            }
        }
    }
}

/// A frame with data; comments keep the connection alive and say nothing.
fn parse(frame: &str) -> Option<Sent> {
    let field = |name: &str| {
        let values = frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let values: Vec<&str> = values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect();
        (!values.is_empty()).then(|| values.join("\n"))
    };
    let event = serde_json::from_str(&field("data")?).expect("an event's data is JSON");
    Some(Sent { topic: field("event").unwrap_or_default(), event })
}
