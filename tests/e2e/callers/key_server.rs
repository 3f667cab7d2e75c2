//! A key server on loopback that the test turns as it likes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A key server. It stops with the runtime that it was started on.
#[derive(Clone)]
pub(super) struct KeyServer {
    address: SocketAddr,
    played: Arc<Mutex<Played>>,
}

struct Played {
    answer: Answer,
    cache_control: &'static str,
    fetches: usize,
}

#[derive(Clone)]
pub(super) enum Answer {
    Keys(Vec<Value>),
    Text(StatusCode, String),
    /// Takes the question and never answers.
    Nothing,
}

impl KeyServer {
    pub(super) async fn start(keys: &[&Value], cache_control: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Answer::Keys(keys.iter().map(|key| (*key).clone()).collect());
        let played = Arc::new(Mutex::new(Played { answer, cache_control, fetches: 0 }));
        let router = Router::new().fallback(answered).with_state(Arc::clone(&played));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, played }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/certs", self.address)
    }

    pub(super) fn list(&self, keys: &[&Value]) {
        self.play(Answer::Keys(keys.iter().map(|key| (*key).clone()).collect()));
    }

    pub(super) fn play(&self, answer: Answer) {
        self.played.lock().unwrap().answer = answer;
    }

    pub(super) fn down(&self) {
        self.play(Answer::Text(StatusCode::SERVICE_UNAVAILABLE, String::new()));
    }

    /// How often it was asked.
    pub(super) fn fetches(&self) -> usize {
        self.played.lock().unwrap().fetches
    }
}

async fn answered(State(played): State<Arc<Mutex<Played>>>) -> Response {
    let (answer, cache_control) = {
        let mut played = played.lock().unwrap();
        played.fetches += 1;
        (played.answer.clone(), played.cache_control)
    };
    let cached = [(header::CACHE_CONTROL, cache_control)];
    match answer {
        Answer::Keys(keys) => (cached, json!({ "keys": keys }).to_string()).into_response(),
        Answer::Text(status, text) => (status, cached, text).into_response(),
        Answer::Nothing => std::future::pending().await,
    }
}
