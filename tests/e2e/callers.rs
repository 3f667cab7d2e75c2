//! Who may call `detector-gcp`: tokens that PyJWT signed, right and wrong ones, and a key server with troubles of its own.

mod detector;
mod key_server;
mod minted;

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use tests::wait_until_async;

use self::{
    detector::Detector,
    key_server::{Answer, KeyServer},
    minted::{ACCOUNT, Token, minted},
};

const LONG: &str = "public, max-age=19945, must-revalidate, no-transform";
/// Keys are stale this long after they were fetched with [`SHORT`].
const SHORT: &str = "public, max-age=2";
const STALE: Duration = Duration::from_millis(2100);

/// Where we are stricter than PyJWT, and why that is right.
const STRICTER: [(&str, &str); 4] = [
    ("exp as text", "RFC 7519 says a number, and Google writes one"),
    ("signature padded", "RFC 7515 says without padding"),
    ("long header", "Google's tokens have a kilobyte; eight are read"),
    ("long payload", "as above"),
];

#[tokio::test]
async fn every_token_gets_the_status_that_pyjwt_says() {
    let minted = minted();
    let mut listed = vec![&minted.one, &minted.two];
    listed.extend(&minted.others);
    let keys = KeyServer::start(&listed, LONG).await;
    let detector = Detector::start(&keys);
    let mut wrong = Vec::new();
    for Token { name, token, verdict } in &minted.tokens {
        let expected = match name.split([' ', ',', ':']).next() {
            Some("valid") => 200,
            Some("account") => 403,
            _ => 401,
        };
        let stricter = STRICTER.iter().any(|(stricter, _)| stricter == name);
        assert_eq!(*verdict == expected, !stricter, "{name}: PyJWT says {verdict}");
        let status = detector.status(token).await;
        if status != expected {
            wrong.push(format!("{name}: {status}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(keys.fetches() <= 2, "unknown key ids asked {} times", keys.fetches());
    assert!(!detector.log().contains("panicked"), "{}", detector.log());
}

#[tokio::test]
async fn without_a_bearer_token_only_health_and_the_description_are_open() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        assert_eq!(detector.get(path, None).await, 200, "{path}");
    }
    let valid = minted().token("valid");
    let headers = [None, Some(String::new()), Some(valid.to_owned()), Some(format!("Basic {valid}"))];
    for authorization in headers.iter().map(Option::as_deref).chain([Some("Bearer "), Some("Bearer")]) {
        for path in ["/metrics", "/v1/detect", "/detect?imageUri=http://127.0.0.1:9/a", "/v1/images:annotate", "/none"]
        {
            assert_eq!(detector.get(path, authorization).await, 401, "{path} with {authorization:?}");
        }
    }
    let huge = detector.status(&"A".repeat(64 * 1024)).await;
    assert!(matches!(huge, 401 | 431), "{huge}");
    assert_eq!(keys.fetches(), 0);
    assert_eq!(detector.get("/none", Some(&format!("Bearer {valid}"))).await, 404);
}

#[tokio::test]
async fn neither_token_nor_email_is_logged() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    let names = ["valid", "expired", "account: other", "signature flipped"];
    for name in names {
        detector.status(minted().token(name)).await;
    }
    let log = detector.log();
    assert!(log.contains("/metrics"), "requests are logged: {log}");
    for name in names {
        let signature = minted().token(name).rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "{name}: {log}");
    }
    assert!(!log.contains(ACCOUNT), "{log}");
}

#[tokio::test]
async fn many_valid_tokens_on_a_cold_cache_make_one_fetch() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    let valid = minted().token("valid");
    let statuses = join_all((0..200).map(|_| detector.status(valid))).await;
    assert_eq!(statuses, [200; 200]);
    assert_eq!(keys.fetches(), 1);
}

#[tokio::test]
async fn strangers_with_unknown_keys_turn_nobody_away() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    let valid = minted().token("valid");
    for _ in 0..2 {
        let strangers = join_all(minted().strangers.iter().map(|token| detector.status(token)));
        let (strangers, callers) = tokio::join!(strangers, join_all((0..200).map(|_| detector.status(valid))));
        assert_eq!(callers, [200; 200]);
        assert_eq!(strangers, [401; 50]);
    }
    assert!(keys.fetches() <= 2, "asked {} times", keys.fetches());
}

#[tokio::test]
async fn strangers_who_are_waited_for_hold_up_nobody() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    let valid = minted().token("valid");
    assert_eq!(detector.status(valid).await, 200);
    keys.play(Answer::Nothing);
    let strangers = join_all(minted().strangers.iter().map(|token| detector.status(token)));
    let callers = async {
        wait_until_async("the stranger's fetch", async || (keys.fetches() == 2).then_some(())).await;
        join_all((0..200).map(|_| detector.status(valid))).await
    };
    tokio::pin!(strangers);
    tokio::select! {
        _ = &mut strangers => panic!("the strangers were answered first"),
        callers = callers => assert_eq!(callers, [200; 200]),
    }
    assert_eq!(strangers.await, [503; 50], "whether their key is new cannot be found out");
}

#[tokio::test]
async fn a_new_key_is_taken_at_once_and_the_old_one_while_it_is_listed() {
    let minted = minted();
    let keys = KeyServer::start(&[&minted.one], LONG).await;
    let detector = Detector::start(&keys);
    assert_eq!(detector.status(minted.token("valid")).await, 200);
    keys.list(&[&minted.one, &minted.two]);
    let new = minted.token("valid, second key");
    assert_eq!(join_all((0..50).map(|_| detector.status(new))).await, [200; 50]);
    assert_eq!(detector.status(minted.token("valid")).await, 200);
    assert_eq!(keys.fetches(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_when_its_time_is_over() {
    let minted = minted();
    let keys = KeyServer::start(&[&minted.one], SHORT).await;
    let detector = Detector::start(&keys);
    assert_eq!(detector.status(minted.token("valid")).await, 200);
    keys.list(&[&minted.two]);
    tokio::time::sleep(STALE).await;
    assert_eq!(detector.status(minted.token("valid")).await, 401);
    assert_eq!(detector.status(minted.token("valid, second key")).await, 200);
}

#[tokio::test]
async fn within_the_life_of_the_keys_their_server_is_not_needed() {
    let keys = KeyServer::start(&[&minted().one], LONG).await;
    let detector = Detector::start(&keys);
    assert_eq!(detector.status(minted().token("valid")).await, 200);
    keys.down();
    assert_eq!(detector.status(minted().strangers[0].as_str()).await, 503, "it may be a new key");
    assert_eq!(detector.status(minted().token("valid")).await, 200);
    assert_eq!(detector.status(minted().token("expired")).await, 401);
}

#[tokio::test]
async fn keys_that_cannot_be_renewed_hold_on_for_a_while() {
    let keys = KeyServer::start(&[&minted().one], SHORT).await;
    let detector = Detector::start(&keys);
    assert_eq!(detector.status(minted().token("valid")).await, 200);
    let troubles = [
        Answer::Text(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        Answer::Text(StatusCode::OK, "{\"keys\": []}".to_owned()),
        Answer::Text(StatusCode::OK, "<html>".to_owned()),
        Answer::Text(StatusCode::FOUND, String::new()),
    ];
    for trouble in troubles {
        let before = keys.fetches();
        keys.play(trouble);
        tokio::time::sleep(STALE).await;
        assert_eq!(detector.status(minted().token("valid")).await, 200);
        wait_until_async("an attempt to renew them", async || (keys.fetches() > before).then_some(())).await;
    }
    assert!(detector.log().contains("Google's keys cannot be fetched"), "{}", detector.log());
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_until_there_are_some() {
    let minted = minted();
    let keys = KeyServer::start(&[&minted.one], LONG).await;
    keys.down();
    let detector = Detector::start(&keys);
    for name in ["valid", "unknown kid", "foreign key under a known kid"] {
        assert_eq!(detector.status(minted.token(name)).await, 503, "{name}");
    }
    assert_eq!(detector.status(minted.token("alg none")).await, 401);
    assert_eq!(detector.get("/health/ready", None).await, 200);
    let padding = " ".repeat(70 * 1024);
    keys.play(Answer::Text(StatusCode::OK, format!("{{\"keys\": [{}]}}{padding}", minted.one)));
    let before = keys.fetches();
    let turned_away = async || {
        assert_eq!(detector.status(minted.token("valid")).await, 503, "so large an answer is not read");
        (keys.fetches() > before).then_some(())
    };
    wait_until_async("the next attempt", turned_away).await;
    keys.list(&[&minted.one]);
    let let_in = async || (detector.status(minted.token("valid")).await == 200).then_some(());
    wait_until_async("the key server's return", let_in).await;
}
