//! Lists of several pages.

use poem::http::Method;
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

/// However many lists are requested and not read: each has bytes from the budget of all answers.
#[tokio::test]
async fn an_unread_list_keeps_the_bytes_of_a_page() {
    let api = start().await;
    for user in 0..501 {
        let body = json!({"user_id": format!("u{user}"), "event": "news"});
        let ask = api.session(Method::POST, "/subscriptions").json(&body);
        assert_eq!(ask.send().await.status, 200);
    }
    let list = |query: &str| api.session(Method::GET, &format!("/subscriptions{query}"));
    let short = list("?count=500").unread().await;
    assert_eq!(api.service.answers().used(), 0, "nothing follows its page");
    let one = list("").unread().await;
    let other = list("").unread().await;
    assert_eq!(api.service.answers().used(), 2 * 64 * 1024);
    drop(one);
    for (answer, count) in [(short, 500), (other, 501)] {
        let text = answer.into_body().into_string().await.unwrap();
        assert_eq!(text.matches("user_id").count(), count);
    }
    assert_eq!(api.service.answers().used(), 0);
}
