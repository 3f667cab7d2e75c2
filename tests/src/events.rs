//! The events of a running server, as its page follows them.

use std::time::Duration;

use serde_json::Value;

use crate::{http::client, server::Server};

/// Only keeps a broken test from hanging.
const LIMIT: Duration = Duration::from_secs(120);

/// An open stream of `GET /events`: everything that is published after [`Events::follow`] has returned.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    text: String,
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
    /// Opens the stream.
    pub async fn follow(server: &Server) -> Self {
        let response = client().get(server.at("/events")).send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "GET /events");
        Self { response, text: String::new() }
    }

    /// The next event; panics when there is none for a very long time.
    pub async fn next(&mut self) -> Sent {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(sent) = parse(&frame) {
                    return sent;
                }
                continue;
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("an event in good time");
            let chunk = chunk.expect("the stream stays open").expect("the stream has no end");
            self.text.push_str(std::str::from_utf8(&chunk).expect("events are ASCII or whole UTF-8 chunks"));
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
