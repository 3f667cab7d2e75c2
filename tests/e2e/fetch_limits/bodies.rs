//! Bodies that are slow, endless, of another length than announced, or bombs.

use std::io::Write as _;

use common::error::Kind;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use super::{
    AT_ONCE, MAX_BYTES, PATIENCE, Play, SHORT, SLOWLY, Stub, ends, fetch, fetch_with, fetcher,
    stub::{answer, head},
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(coding: &str, body: &[u8]) -> Play {
    Play::Close(answer("200 OK", &[("content-encoding", coding)], body))
}

const CHUNKED: [(&str, &str); 1] = [("transfer-encoding", "chunked")];

#[tokio::test]
async fn what_is_slow_ends_by_the_time_for_all() {
    let plays = [
        ("a byte now and then", head("200 OK", &[("content-length", "1000")]), b"a".to_vec()),
        ("a chunk now and then", head("200 OK", &CHUNKED), b"1\r\na\r\n".to_vec()),
        ("the head, a byte now and then", b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"a".to_vec()),
        ("a status that is never the last", Vec::new(), head("100 Continue", &[])),
        ("a body without a length", head("200 OK", &[]), b"a".to_vec()),
    ];
    for (what, first, again) in plays {
        let mut stub = Stub::always(Play::Forever(first, again, SLOWLY)).await;
        let error = fetch_with(&fetcher(&[stub.host()], SHORT), &stub.url("/a")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_permanent()), (Kind::SourceUnavailable, false), "{what}");
        assert!(error.message().contains("in time"), "{what}: {error}");
        stub.hung_up().await;
    }
    let silent = Stub::always(Play::Keep(Vec::new())).await;
    let error = fetch_with(&fetcher(&[silent.host()], SHORT), &silent.url("/a")).await.unwrap_err();
    assert!(error.message().contains("in time"), "{error}");
    // The time is for all hops together, so slow redirects gain none.
    let slow = Stub::start(|path| {
        let next = head("302 Found", &[("location", &format!("{path}a")), ("content-length", "0")]);
        let (last, first) = next.split_last().unwrap();
        Play::Forever(first.to_vec(), vec![*last], SHORT)
    });
    let slow = slow.await;
    let error = fetch_with(&fetcher(&[slow.host()], SHORT / 4), &slow.url("/a")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SourceUnavailable, "{error}");
}

#[tokio::test]
async fn what_is_endless_ends_by_its_size() {
    let block = vec![b'a'; 8192];
    let chunk = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
    let plays = [
        ("chunks", head("200 OK", &CHUNKED), chunk.clone(), Kind::TooLarge),
        ("no length", head("200 OK", &[]), block.clone(), Kind::TooLarge),
        ("zeros, packed", head("200 OK", &[("content-encoding", "gzip")]), gzip(&block), Kind::TooLarge),
        (
            "headers",
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"x-a: aaaaaaaaaaaaaaaaaaaaaaaa\r\n".to_vec(),
            Kind::SourceUnavailable,
        ),
        ("one header", b"HTTP/1.1 200 OK\r\nx-a: ".to_vec(), block.clone(), Kind::SourceUnavailable),
    ];
    for (what, first, again, kind) in plays {
        let mut stub = Stub::always(Play::Forever(first, again, AT_ONCE)).await;
        let error = fetch(&stub).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(!error.message().contains("in time"), "{what}");
        stub.hung_up().await;
    }
    // The body of a redirect and of a failure is not read at all.
    let endless = |status: &str, headers: &[(&str, &str)]| {
        Play::Forever(head(status, &[headers, &CHUNKED].concat()), chunk.clone(), AT_ONCE)
    };
    let (moved, missing) = (endless("302 Found", &[("location", "/b")]), endless("404 Not Found", &[]));
    let stub = Stub::start(move |path| match path {
        "/a" => moved.clone(),
        "/b" => Play::Close(answer("200 OK", &[], b"ok")),
        _ => missing.clone(),
    });
    let stub = stub.await;
    assert_eq!(fetch(&stub).await.unwrap(), "ok");
    let error = fetch_with(&fetcher(&[stub.host()], PATIENCE), &stub.url("/c")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SourceNotFound);
}

#[tokio::test]
async fn the_limit_holds_to_the_byte() {
    let full = vec![7; MAX_BYTES];
    let over = vec![7; MAX_BYTES + 1];
    let forms = |body: &[u8]| {
        let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
        [
            ("with a length", Play::Close(answer("200 OK", &[], body))),
            ("without a length", Play::Close([head("200 OK", &[]), body.to_vec()].concat())),
            ("in chunks", Play::Close([head("200 OK", &CHUNKED), chunk].concat())),
            ("packed", packed("gzip", &gzip(body))),
        ]
    };
    for (what, play) in forms(&full) {
        assert_eq!(ends(play).await.unwrap(), full, "{what}");
    }
    for (what, play) in forms(&over) {
        assert_eq!(ends(play).await, Err(Kind::TooLarge), "{what}");
    }
    // Noise does not shrink: the wire has a limit of its own.
    let noise: Vec<u8> = (0..MAX_BYTES as u32 * 2).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(ends(packed("gzip", &gzip(&noise))).await, Err(Kind::TooLarge));
    // A length over the limit is believed: nothing of such a body is waited for.
    for length in [MAX_BYTES as u64 + 1, u64::MAX / 2] {
        let announced = head("200 OK", &[("content-length", &length.to_string())]);
        assert_eq!(ends(Play::Keep(announced)).await, Err(Kind::TooLarge), "{length}");
    }
}

#[tokio::test]
async fn a_length_that_lies() {
    let longer = [head("200 OK", &[("content-length", "10")]), b"12345".to_vec()].concat();
    let cut = [head("200 OK", &CHUNKED), b"a\r\n12345".to_vec()].concat();
    let unended = [head("200 OK", &CHUNKED), b"5\r\n12345\r\n".to_vec()].concat();
    let nonsense = [head("200 OK", &CHUNKED), b"zz\r\n12345\r\n0\r\n\r\n".to_vec()].concat();
    let two = [head("200 OK", &[("content-length", "5"), ("content-length", "6")]), b"123456".to_vec()].concat();
    let text = [head("200 OK", &[("content-length", "five")]), b"12345".to_vec()].concat();
    for part in [longer, cut, unended, nonsense, two, text] {
        let shown = String::from_utf8_lossy(&part).into_owned();
        assert_eq!(ends(Play::Close(part)).await, Err(Kind::SourceUnavailable), "{shown}");
    }
    // What comes after the announced end belongs to nothing, least of all to the next picture.
    let after = [answer("200 OK", &[], b"first"), answer("200 OK", &[], b"not asked for")].concat();
    let stub = Stub::start(move |path| match path {
        "/a" => Play::Keep(after.clone()),
        _ => Play::Keep(answer("200 OK", &[], b"second")),
    });
    let stub = stub.await;
    let fetcher = fetcher(&[stub.host()], PATIENCE);
    for _ in 0..20 {
        assert_eq!(fetch_with(&fetcher, &stub.url("/a")).await.unwrap(), "first");
        assert_eq!(fetch_with(&fetcher, &stub.url("/b")).await.unwrap(), "second");
    }
}

#[tokio::test]
async fn bombs_are_cut_and_what_is_packed_right_is_not() {
    let bomb = vec![0; 400 * MAX_BYTES];
    assert!(gzip(&bomb).len() < MAX_BYTES, "the wire would be the limit");
    let members = gzip(&vec![0; MAX_BYTES / 4]);
    let bombs = [
        ("gzip", gzip(&bomb)),
        ("x-gzip", gzip(&bomb)),
        ("GZIP", gzip(&bomb)),
        ("deflate", zlib(&bomb)),
        ("gzip", members.repeat(5)),
        ("gzip", [gzip(b"small"), gzip(&bomb)].concat()),
    ];
    for (coding, body) in bombs {
        assert_eq!(ends(packed(coding, &body)).await, Err(Kind::TooLarge), "{coding}, {} bytes", body.len());
    }
    assert_eq!(ends(packed("gzip", &members.repeat(4))).await.unwrap().len(), MAX_BYTES);
    assert_eq!(ends(packed("deflate", &zlib(b"whole"))).await.unwrap(), "whole");
    // Only what the header says is unpacked, and once: a picture within a picture stays packed.
    let nested = gzip(&gzip(&vec![0; MAX_BYTES / 2]));
    let inner = ends(packed("gzip", &nested)).await.unwrap();
    assert!(inner.starts_with(&[0x1f, 0x8b]));
    assert_eq!(ends(packed("identity", &nested)).await.unwrap(), nested);
    let broken = [gzip(b"whole")[..12].to_vec(), b"no gzip".to_vec(), [gzip(b"whole"), b"rest".to_vec()].concat()];
    for body in broken {
        assert_eq!(ends(packed("gzip", &body)).await, Err(Kind::SourceUnavailable), "{body:?}");
    }
}

#[tokio::test]
async fn only_known_codings() {
    for coding in ["br", "zstd", "compress", "gzip, gzip", "gzip, identity", "gzip;q=1", "*", "\u{7f}"] {
        let stub = Stub::always(packed(coding, &gzip(b"whole"))).await;
        let error = fetch(&stub).await.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceUnavailable, "{coding}");
    }
    let twice = answer("200 OK", &[("content-encoding", "gzip"), ("content-encoding", "gzip")], &gzip(&gzip(b"x")));
    assert_eq!(ends(Play::Close(twice)).await, Err(Kind::SourceUnavailable));
    assert_eq!(ends(Play::Close(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await, Err(Kind::SourceUnavailable));
    assert_eq!(ends(Play::Close(Vec::new())).await, Err(Kind::SourceUnavailable));
}
