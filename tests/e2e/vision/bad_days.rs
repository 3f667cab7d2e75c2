//! `detector-gcp --detector vision` on bad days: every failure of Vision ends as one row of the table, in time, and nothing of
//! it is remembered.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use serde_json::json;
use tests::{Reply, client, numbered_picture, wait_until_async};

use super::{ask, detector, every_call_busy, json_of, metric, post, waiting};

/// What is answered while Vision replies like this, as status and problem.
async fn ends_as(reply: Reply, deadline_ms: &str) -> (u16, String) {
    let (vision, detector) = detector(&[]).await;
    vision.always(reply);
    let client = client();
    let picture = numbered_picture(1);
    let request = client.post(detector.at("/v1/detect")).header("x-crosslens-deadline-ms", deadline_ms);
    let response = request.body(picture.clone()).send().await.unwrap();
    let status = response.status().as_u16();
    let problem: serde_json::Value = response.json().await.unwrap();
    let slug = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();

    vision.always(Reply::Labels);
    // A breaker may be open; its rest is short.
    wait_until_async("Vision to be asked again", async || {
        let response = post(&client, &detector, picture.clone(), "labels").await;
        (response.status() == 200).then_some(())
    })
    .await;
    (status, slug)
}

#[tokio::test]
async fn each_failure_is_one_row_of_the_table() {
    let in_band = |code: i32| Reply::Answers(vec![json!({ "error": { "code": code, "message": "no" } })]);
    let cases: Vec<(&str, Reply, u16, &str)> = vec![
        ("429", Reply::Status(429, None), 429, "rate-limited"),
        ("403", Reply::Status(403, None), 502, "detector-failed"),
        ("500", Reply::Status(500, None), 502, "detector-failed"),
        ("503", Reply::Status(503, None), 503, "unavailable"),
        ("in-band 3", in_band(3), 422, "undecodable-image"),
        ("in-band 7", in_band(7), 502, "detector-failed"),
        ("in-band 8", in_band(8), 429, "rate-limited"),
        ("in-band 14", in_band(14), 503, "unavailable"),
        ("an empty object", Reply::Text("{}"), 502, "detector-failed"),
        ("an empty answer", Reply::Answers(vec![json!({})]), 502, "detector-failed"),
        ("half a JSON", Reply::Text("{\"responses\": [{\"labelAnn"), 502, "detector-failed"),
        ("nothing", Reply::Text(""), 502, "detector-failed"),
        ("silence", Reply::Late(Duration::from_secs(30)), 504, "deadline-exceeded"),
        ("a closed connection", Reply::Hangup, 503, "unavailable"),
    ];
    let ended = stream::iter(cases.into_iter().map(|(name, reply, status, slug)| async move {
        (name, ends_as(reply, "2500").await, (status, slug.to_owned()))
    }));
    let ended: Vec<_> = ended.buffer_unordered(4).collect().await;
    assert_eq!(ended.len(), 14);
    for (name, ours, expected) in ended {
        assert_eq!(ours, expected, "{name}");
    }
}

#[tokio::test]
async fn one_images_error_is_that_images_alone() {
    let (vision, detector) = detector(&[]).await;
    // While all calls are busy, the next three images go together.
    let busy = every_call_busy(&vision, &detector).await;
    let label = |word: &str| json!({ "labelAnnotations": [{ "description": word, "score": 0.5 }] });
    let broken = json!({ "error": { "code": 3, "message": "no" } });
    vision.always(Reply::Answers(vec![label("one"), broken, label("three")]));
    let together: Vec<_> = (1..=3).map(|number| ask(&client(), &detector, number)).collect();
    waiting(&client(), &detector, 3).await;
    vision.release();
    let mut statuses = Vec::new();
    for asked in together {
        statuses.push(asked.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 422]);
    assert_eq!(vision.images().last(), Some(&3));
    for answer in busy {
        assert_eq!(answer.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn what_google_says_about_waiting_is_done() {
    let (vision, detector) = detector(&[]).await;
    vision.next([Reply::Status(429, Some(1)), Reply::Status(503, Some(1))]);
    json_of(post(&client(), &detector, numbered_picture(1), "labels").await).await;
    assert_eq!(vision.images().len(), 3);
    // Longer than the request may take: it is handed on instead.
    vision.always(Reply::Status(429, Some(77)));
    let refused = post(&client(), &detector, numbered_picture(2), "labels").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "77"));
    assert_eq!(vision.images().len(), 4);
}

#[tokio::test]
async fn after_repeated_failure_vision_is_left_alone_and_one_probe_ends_it() {
    let (vision, detector) = detector(&[]).await;
    let client = client();
    vision.always(Reply::Status(500, None));
    let mut number = 0;
    wait_until_async("the breaker to open", async || {
        number += 1;
        let response = post(&client, &detector, numbered_picture(number), "labels").await;
        (response.status() == 503).then_some(())
    })
    .await;
    let asked = vision.images().len();
    let refused = post(&client, &detector, numbered_picture(999), "labels").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(vision.images().len(), asked, "an open breaker asks nobody");
    vision.always(Reply::Labels);
    wait_until_async("the rest to end", async || {
        let response = post(&client, &detector, numbered_picture(1000), "labels").await;
        (response.status() == 200).then_some(())
    })
    .await;
    assert_eq!(vision.images().len(), asked + 1, "the first probe succeeds");
}

#[tokio::test]
async fn with_a_third_of_the_calls_failing_all_are_answered_rightly_or_refused_clearly() {
    const REQUESTS: u32 = 600;
    let (vision, detector) = detector(&[]).await;
    let client = client();
    // Three of ten, never five in a row.
    let pattern = [true, false, false, true, false, false, false, true, false, false];
    let bad = |failing: bool| if failing { Reply::Status(503, None) } else { Reply::Labels };
    vision.next((0..2 * REQUESTS as usize).map(|number| bad(pattern[number % pattern.len()])));
    let asked = (0..REQUESTS).map(|number| {
        let (client, url) = (client.clone(), detector.at("/v1/detect"));
        async move {
            let response = client.post(url).body(numbered_picture(number)).send().await.unwrap();
            (response.status().as_u16(), response.json::<serde_json::Value>().await.unwrap())
        }
    });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(12).collect().await;
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for (status, answer) in &answers {
        *counts.entry(*status).or_default() += 1;
        match status {
            200 => assert_eq!(answer["labels"][0]["description"], "Coffee"),
            503 => assert_eq!(answer["retryable"], true),
            other => panic!("{other}: {answer}"),
        }
    }
    let retries = metric(&client, &detector, "crosslens_provider_retries_total").await;
    let calls = vision.images().len() as f64;
    assert!(retries <= 0.2 * (calls - retries), "{retries} extra calls beside {}", calls - retries);
    assert!(counts[&200] as f64 >= 0.8 * f64::from(REQUESTS), "{counts:?}");
}
