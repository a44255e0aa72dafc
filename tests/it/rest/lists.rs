//! Lists of several pages.

use serde_json::json;

use crate::rest::start;

/// Each event is there once, in the order of the route.
#[tokio::test]
async fn a_list_of_large_events_is_whole() {
    let api = start().await;
    for n in 0..12 {
        for channel in ["a", "personal-ann"] {
            let data = format!("{n} {}", "\"".repeat(30_000));
            api.publish(json!({"channel": channel, "data": data})).await;
        }
    }
    for (query, count, newest_first) in [
        ("?count=30", 24, true),
        ("?count=10&channel=a", 10, true),
        ("?count=30&channel=a", 12, true),
        ("?count=30&channel=personal-ann", 12, true),
        ("?count=30&channel=a&since=0", 12, false),
        ("?count=5&channel=a&since=2", 5, false),
    ] {
        let events = api.events(query).await;
        let ids: Vec<_> = events.iter().map(|event| event["id"].as_u64()).collect();
        assert_eq!(ids.len(), count, "{query}");
        assert!(
            ids.is_sorted_by(|one, next| one != next && (one > next) == newest_first),
            "{query}: {ids:?}"
        );
    }
    assert_eq!(api.service.answers().used(), 0);
}
