//! The worked example of CONTRIBUTING.md: it is what stands there, and it does what is said there.

use common::{analysis::Analysis, request::Cloud};
use serde_json::json;

use super::{example::Colours, *};

#[test]
fn the_example_is_shown_word_for_word() {
    let shown = include_str!("../../../CONTRIBUTING.md");
    assert!(shown.contains(include_str!("example.rs")), "CONTRIBUTING.md shows another processor than example.rs");
}

#[tokio::test]
async fn the_example_works() {
    let analysis = json!({
        "id": "local-aaaaaaaaaaaaaaaaaaaaaaaaaa", "requestId": "r", "digest": format!("sha256:{}", "0".repeat(64)),
        "mediaType": "image/jpeg", "width": 4, "height": 3, "provider": "local", "model": "m",
        "properties": [{"rgb": "#a0522d", "fraction": 0.8}], "analyzedAt": "2026-11-20T10:00:00Z", "durationMs": 1,
    });
    let event = Event::labelled(Cloud::Local, &serde_json::from_value::<Analysis>(analysis).unwrap(), None);
    assert!(Colours.consumes().contains(&event.topic()));
    assert_eq!(Colours.process(&event).await.unwrap(), Settlement::default());
}
