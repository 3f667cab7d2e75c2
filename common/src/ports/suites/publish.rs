//! Telling everybody who waits.

use super::samples::{analysis, event, failure, id};
use crate::{
    event::{Event, Topic},
    ports::Publish,
    request::Cloud,
};

/// The behaviour of [`Publish`]. `delivered` gives what a reader of the topic has got by now, in its order; `once` says
/// that the topic can tell a repetition.
pub async fn publish(publish: &dyn Publish, delivered: impl AsyncFn(Topic) -> Vec<Event>, once: bool) {
    let labelled: Vec<Event> = ["cup", "cat"].iter().map(|word| event(&analysis(&id(), &[word]))).collect();
    let failed = Event::failed(Cloud::Local, &failure(&id()), None);
    for event in labelled.iter().chain([&failed]) {
        for _ in 0..3 {
            publish.publish(std::slice::from_ref(event)).await.remove(0).unwrap();
        }
    }
    let many: Vec<Event> = (0..23).map(|n| event(&analysis(&id(), &[&format!("many {n}")]))).collect();
    let answers = publish.publish(&many).await;
    assert_eq!(answers.len(), many.len(), "one answer for each");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let got = delivered(Topic::ImageLabelled).await;
    assert!(many.iter().all(|event| got.contains(event)), "some of many were lost");
    let ours =
        |events: Vec<Event>| events.into_iter().filter(|event| event.id == failed.id || labelled.contains(event));
    let mut got: Vec<Event> = ours(delivered(Topic::ImageLabelled).await).collect();
    let times = got.iter().filter(|event| **event == labelled[0]).count();
    assert!(if once { times == 1 } else { times >= 1 }, "delivered {times} times");
    got.dedup();
    assert_eq!(got, labelled, "with one identity and in full");
    let got: Vec<String> = ours(delivered(Topic::ImageFailed).await).map(|event| event.id).collect();
    assert!(!got.is_empty() && got.iter().all(|id| *id == failed.id), "{got:?}");
}
