//! Answers of the name system that mean to deceive: changing from one look-up to the next, or bad among good.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{
    error::Kind,
    source::{FetchLimits, SourcePolicy, SystemResolver, WebFetcher},
};
use futures_util::{StreamExt as _, stream};

use super::{
    super::{dns, witness::opened},
    address, fetch, fetcher, picture, witness,
};
use crate::ssrf::rows::PUBLIC;

/// A name whose addresses change from one look-up to the next.
fn changing() -> impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |_| match asked.fetch_add(1, Ordering::Relaxed) % 6 {
        0 | 2 | 4 => vec![PUBLIC],
        1 => vec![address("127.0.0.1")],
        3 => vec![address("::ffff:169.254.169.254")],
        _ => vec![PUBLIC, address("fd00:ec2::254")],
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn answers_that_change_between_look_ups_gain_nothing() {
    const FETCHES: usize = 5_000;
    for kept in [false, true] {
        let Some(witness) = witness(&[], move |_| picture(kept)).await else { return };
        let fetcher = fetcher(SourcePolicy::default(), changing());
        let (before, fetcher) = (opened(), &fetcher);
        let fetches =
            (0..FETCHES).map(|number| async move { fetch(fetcher, &format!("http://x.example/{number}")).await });
        let ends: Vec<_> = stream::iter(fetches).buffer_unordered(16).collect().await;
        let (seen, tried) = (witness.forget(), opened() - before);
        assert!(seen.iter().all(|seen| *seen == SocketAddr::new(PUBLIC, 80)), "{seen:?}");
        assert_eq!(seen.len() as u64, tried, "what was tried has arrived");
        let refused =
            ends.iter().filter(|end| matches!(end, Err(error) if error.kind() == Kind::SourceBlocked)).count();
        let fetched = ends.iter().filter(|end| end.is_ok()).count();
        assert_eq!(refused + fetched, FETCHES, "{:?}", ends.iter().find_map(|end| end.as_ref().err()));
        assert!(fetched > 0, "nothing was fetched");
        if !kept {
            assert_eq!((fetched, refused), (FETCHES / 2, FETCHES / 2), "every fetch looks the name up once");
        }
        witness.stop().await;
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn one_bad_address_among_good_ones_blocks_the_name() {
    let Some(witness) = witness(&[], |_| picture(false)).await else { return };
    let (v6, mapped) = ("2606:4700:4700::1111", "::ffff:93.184.215.14");
    let bad =
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0"];
    for bad in bad {
        for good in [vec![PUBLIC], vec![address(v6)], vec![PUBLIC, address(v6)], vec![address(mapped), PUBLIC]] {
            for place in 0..=good.len() {
                let mut all = good.clone();
                all.insert(place, address(bad));
                let (before, answer) = (opened(), all.clone());
                let fetcher = fetcher(SourcePolicy::default(), move |_| answer.clone());
                let error = fetch(&fetcher, "http://x.example/").await.unwrap_err();
                assert_eq!((error.kind(), opened() - before), (Kind::SourceBlocked, 0), "{all:?}: {error}");
            }
        }
    }
    for good in [vec![PUBLIC, address(v6)], vec![address(v6)], vec![address(mapped)]] {
        let answer = good.clone();
        let got = fetch(&fetcher(SourcePolicy::default(), move |_| answer.clone()), "http://x.example/").await;
        assert!(got.is_ok(), "{good:?}: {got:?}");
        let seen = witness.forget();
        assert!(seen.iter().all(|seen| good.iter().any(|good| good.to_canonical() == seen.ip())), "{good:?}: {seen:?}");
    }
}

#[tokio::test]
#[ignore = "runs within a network namespace"]
async fn the_resolver_of_the_operating_system_is_not_believed_either() {
    let Some(witness) = witness(&[], |_| picture(false)).await else { return };
    let Some(servers) = dns::servers() else {
        eprintln!("skipped: names are looked up outside of the namespace here");
        return;
    };
    for server in servers {
        let change = changing();
        let asked = AtomicUsize::new(0);
        let answers = move |name: &str| match name {
            "good.test" => vec![PUBLIC, address("2606:4700:4700::1111")],
            "bad.test" => vec![address("10.0.0.7")],
            "mixed.test" => vec![PUBLIC, address("10.0.0.7")],
            "families.test" => vec![PUBLIC, address("::1")],
            "mapped.test" => vec![address("::ffff:127.0.0.1")],
            "metadata.test" => vec![address("fd00:ec2::254")],
            // One look-up asks twice, once for each family.
            "changing.test" => match asked.fetch_add(1, Ordering::Relaxed) % 4 {
                0 | 1 => vec![PUBLIC],
                _ => vec![address("127.0.0.1")],
            },
            "split.test" => change(name),
            _ => Vec::new(),
        };
        dns::serve(server, answers).await;
    }
    let fetcher = WebFetcher::new(SourcePolicy::default(), FetchLimits::default(), Arc::new(SystemResolver)).unwrap();
    let got = fetch(&fetcher, "http://good.test/").await;
    assert!(got.is_ok() && !witness.forget().is_empty(), "{got:?}");
    for name in ["bad.test", "mixed.test", "families.test", "mapped.test", "metadata.test", "localhost"] {
        let before = opened();
        let got = fetch(&fetcher, &format!("http://{name}/")).await;
        assert!(matches!(&got, Err(error) if error.kind() == Kind::SourceBlocked), "{name}: {got:?}");
        assert_eq!(opened() - before, 0, "{name}");
    }
    let missing = fetch(&fetcher, "http://missing.test/").await.unwrap_err();
    assert_eq!(missing.kind(), Kind::SourceUnavailable, "{missing}");
    for (name, fetches) in [("changing.test", 400), ("split.test", 400)] {
        let mut fetched = 0;
        for number in 0..fetches {
            fetched += usize::from(fetch(&fetcher, &format!("http://{name}/{number}")).await.is_ok());
        }
        let seen = witness.forget();
        assert!(fetched > 0 && fetched < fetches && seen.len() == fetched, "{name}: {fetched} of {fetches}");
        assert!(seen.iter().all(|seen| *seen == SocketAddr::new(PUBLIC, 80)), "{name}: {seen:?}");
    }
}
