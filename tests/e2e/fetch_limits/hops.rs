//! Redirects: how many, where to, and what is sent along.

use std::collections::BTreeSet;

use common::error::Kind;

use super::{PATIENCE, Play, Stub, fetch, fetch_with, fetcher, stub::answer};

fn moved(to: &str) -> Play {
    Play::Keep(answer("302 Found", &[("location", to)], b""))
}

fn picture() -> Play {
    Play::Keep(answer("200 OK", &[], b"ok"))
}

/// `/N` redirects N times.
async fn counting() -> Stub {
    Stub::start(|path| match path.trim_start_matches('/').parse::<u32>().unwrap() {
        0 => picture(),
        left => moved(&format!("/{}", left - 1)),
    })
    .await
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    for (redirects, requests, delivered) in [(0, 1, true), (3, 4, true), (4, 4, false), (11, 4, false)] {
        let stub = counting().await;
        let fetcher = fetcher(&[stub.host()], PATIENCE);
        let got = fetch_with(&fetcher, &stub.url(&format!("/{redirects}"))).await;
        assert_eq!(got.is_ok(), delivered, "{redirects}: {got:?}");
        assert_eq!(stub.heads().len(), requests, "{redirects}");
        if let Err(error) = got {
            assert_eq!((error.kind(), error.is_permanent()), (Kind::SourceUnavailable, true), "{error}");
        }
    }
    let round = Stub::always(moved("/a")).await;
    assert_eq!(fetch(&round).await.unwrap_err().kind(), Kind::SourceUnavailable);
    assert_eq!(round.heads().len(), 4);
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let first = answer(status, &[("location", "b")], b"");
        let stub = Stub::start(move |path| if path == "/a" { Play::Close(first.clone()) } else { picture() }).await;
        assert_eq!(fetch(&stub).await.unwrap(), "ok", "{status}");
    }
}

#[tokio::test]
async fn a_redirect_opens_nothing_that_was_not_opened() {
    let other = Stub::always(picture()).await;
    let port = other.port();
    let targets = [
        other.url("/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://one.test:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://u:p@127.0.0.1:{port}/"),
        format!("http:\\\\127.0.0.1:{port}/"),
        format!("/\\127.0.0.1:{port}/"),
        "http://127.0.0.1/".to_owned(),
        "https://localhost/".to_owned(),
        "http://one.test/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        "data:image/gif;base64,R0lGOD".to_owned(),
        "javascript:alert(1)".to_owned(),
        "http://".to_owned(),
    ];
    for target in targets {
        let first = Stub::always(moved(&target)).await;
        let error = fetch(&first).await.unwrap_err();
        assert_eq!((error.kind(), error.is_permanent()), (Kind::SourceBlocked, true), "{target}: {error}");
        assert_eq!(first.heads().len(), 1, "{target}");
    }
    assert_eq!(other.heads().len(), 0);
    // The one that plays row `redirect-to` of httpbin.org: its target is a name for the loopback.
    let away = Stub::always(moved(&format!("http://two.test:{port}"))).await;
    let open = [away.host(), format!("two.test:{port}")];
    assert_eq!(fetch_with(&fetcher(&open, PATIENCE), &away.url("/a")).await.unwrap(), "ok", "unless it is opened too");
}

#[tokio::test]
async fn a_redirect_without_a_target_is_no_picture() {
    for headers in [vec![], vec![("location", "\u{fffd}\u{1}")]] {
        let stub = Stub::always(Play::Close(answer("302 Found", &headers, b"body"))).await;
        let error = fetch(&stub).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::SourceUnavailable | Kind::SourceBlocked), "{error}");
        assert_eq!(stub.heads().len(), 1);
    }
    let long = Stub::always(moved(&format!("/{}", "a".repeat(10_000)))).await;
    assert_eq!(fetch(&long).await.unwrap_err().kind(), Kind::SourceBlocked);
    assert_eq!(long.heads().len(), 1);
}

#[tokio::test]
async fn nothing_about_us_is_sent_along() {
    let last = Stub::always(Play::Keep(answer("200 OK", &[("set-cookie", "seen=1; Path=/")], b"ok"))).await;
    let url = format!("http://two.test:{}/c?token=target", last.port());
    let first = Stub::start(move |path| {
        let next = if path.starts_with("/a") { "/b".to_owned() } else { url.clone() };
        let cookies =
            [("location", next.as_str()), ("set-cookie", "id=1; Path=/"), ("www-authenticate", "Basic realm=\"x\"")];
        Play::Keep(answer("302 Found", &cookies, b""))
    });
    let first = first.await;
    let open = [first.host(), format!("two.test:{}", last.port())];
    let fetcher = fetcher(&open, PATIENCE);
    for _ in 0..3 {
        assert_eq!(fetch_with(&fetcher, &first.url("/a?token=secret#fragment")).await.unwrap(), "ok");
    }
    assert_eq!((first.heads().len(), last.heads().len()), (6, 3));
    let expected = BTreeSet::from(["accept", "accept-encoding", "host", "user-agent"]);
    for head in first.heads().iter().chain(&last.heads()) {
        let mut lines = head.trim_end().lines();
        let request = lines.next().unwrap();
        assert!(request.starts_with("get /") && !request.contains("fragment"), "{head}");
        assert!(request.contains("/a?token=secret") == head.contains("secret"), "{head}");
        let names: BTreeSet<&str> = lines.filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(names, expected, "{head}");
        assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    }
}
