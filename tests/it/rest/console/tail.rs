//! Watching the events of an app.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use poem::http::Method;
use pushi_test_support::PATIENCE;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::is_of_the_app_alone;
use crate::rest::connecting::connect;
use crate::rest::{Api, Ask, create, start};

/// The entries of a stream.
pub(super) struct Entries<S> {
    pieces: S,
    text: String,
}

impl<S: Stream<Item = Result<bytes::Bytes, std::io::Error>> + Unpin> Entries<S> {
    /// The next line that is not empty; `None`: the stream has ended.
    pub(super) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = line.to_owned();
                self.text = rest.to_owned();
                if line.is_empty() {
                    continue;
                }
                return Some(line);
            }
            let piece = timeout(PATIENCE, self.pieces.next()).await.unwrap()?;
            self.text
                .push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    pub(super) async fn next(&mut self) -> Value {
        serde_json::from_str(&self.line().await.unwrap()).unwrap()
    }
}

async fn tail(
    api: &Api,
    query: &str,
) -> Entries<impl Stream<Item = Result<bytes::Bytes, std::io::Error>> + Unpin> {
    watch(api.admin(Method::GET, &format!("/apps/shop/tail{query}"))).await
}

/// An open stream.
pub(super) async fn watch(
    ask: Ask<'_>,
) -> Entries<impl Stream<Item = Result<bytes::Bytes, std::io::Error>> + Unpin + use<>> {
    let answer = ask.unread().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.content_type(), Some("application/x-ndjson"));
    let pieces = Box::pin(answer.into_body().into_bytes_stream());
    let mut entries = Entries {
        pieces,
        text: String::new(),
    };
    let open = entries.next().await;
    assert_eq!(
        (&open["type"], &open["silent_nodes"]),
        (&json!("open"), &json!([]))
    );
    entries
}

#[tokio::test]
async fn published_events_arrive_with_their_recipients() {
    let api = start().await;
    create(&api.service, "other").await;
    let connection = connect(&api, "shop-key", &["news-1"]).await;
    let mut all = tail(&api, "").await;
    let mut some = tail(&api, "?channel_prefix=news-&event=e").await;
    for (app, body) in [
        (
            "other",
            json!({"channel": "news-1", "event": "e", "data": "foreign"}),
        ),
        ("shop", json!({"channel": "a", "event": "e", "data": "1"})),
        (
            "shop",
            json!({"channel": "news-1", "event": "f", "data": "2"}),
        ),
        (
            "shop",
            json!({"channel": "news-1", "event": "e", "data": {"x": "<b>"}}),
        ),
        (
            "shop",
            json!({"channel": "news-1", "event": "e", "data": "4", "persist": false}),
        ),
    ] {
        let ask = api.admin(Method::POST, &format!("/apps/{app}/publish"));
        assert_eq!(ask.json(&body).send().await.status, 200);
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        let entry = all.next().await;
        assert_eq!(entry["type"], "event");
        seen.push(json!([entry["data"], entry["recipients"], entry["serial"]]));
    }
    assert_eq!(
        json!(seen),
        json!([
            ["1", 0, 1],
            ["2", 1, 1],
            [r#"{"x":"<b>"}"#, 1, 2],
            ["4", 1, null]
        ])
    );
    let entry = some.next().await;
    assert_eq!(
        entry,
        json!({
            "type": "event", "time": 1_795_337_092.27, "channel": "news-1", "event": "e", "data": r#"{"x":"<b>"}"#, "mid": entry["mid"],
            "serial": 2, "publisher": "rest", "recipients": 1,
            "node": connection.id().process.to_string(),
        })
    );
    assert_eq!(some.next().await["data"], "4");
}

#[tokio::test]
async fn server_sent_events_for_those_who_accept_them() {
    let api = start().await;
    let ask = api.session(Method::GET, "/apps/shop/tail");
    let answer = ask.header("accept", "text/event-stream").unread().await;
    assert_eq!(answer.content_type(), Some("text/event-stream"));
    let mut entries = Entries {
        pieces: Box::pin(answer.into_body().into_bytes_stream()),
        text: String::new(),
    };
    assert_eq!(entries.line().await.unwrap(), "event: open");
    assert!(entries.line().await.unwrap().starts_with("data: {"));
    api.publish(json!({"channel": "a", "data": "line\nline"}))
        .await;
    assert_eq!(entries.line().await.unwrap(), "event: event");
    let data = entries.line().await.unwrap();
    let entry: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(entry["data"], "line\nline");
}

/// Nothing waits for a watcher: what does not fit is counted.
#[tokio::test]
async fn a_slow_watcher_learns_how_much_it_missed() {
    let api = start().await;
    let mut entries = tail(&api, "").await;
    let data = "x".repeat(10_000);
    for _ in 0..150 {
        let body = json!({"channel": "a", "data": data, "persist": false});
        api.publish(body).await;
    }
    let (mut events, mut skipped) = (0, 0);
    while events + skipped < 150 {
        let entry = entries.next().await;
        match entry["type"].as_str().unwrap() {
            "event" => events += 1,
            "skipped" => skipped += entry["count"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
    assert_eq!(events + skipped, 150);
    assert!(events > 80 && skipped > 10, "{events} {skipped}");
    api.publish(json!({"channel": "a", "data": "after"})).await;
    assert_eq!(entries.next().await["data"], "after");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_kept_alive_and_ends() {
    let api = start().await;
    let mut entries = tail(&api, "?seconds=20").await;
    assert_eq!(entries.next().await, json!({"type": "keep_alive"}));
    assert_eq!(
        entries.next().await,
        json!({"type": "end", "reason": "time"})
    );
    assert_eq!(entries.line().await, None);
    for query in ["?seconds=0", "?seconds=3601", "?seconds=x"] {
        let ask = api.admin(Method::GET, &format!("/apps/shop/tail{query}"));
        ask.send().await.problem(400);
    }
}

/// The first event is sent at once; those that follow it closely are one piece, because a write for each would slow publishers down.
#[tokio::test(start_paused = true)]
async fn events_that_follow_closely_are_sent_together() {
    let api = start().await;
    let mut entries = tail(&api, "").await;
    api.publish(json!({"channel": "a", "data": "0"})).await;
    assert_eq!(entries.next().await["data"], "0");
    for n in 1..=50 {
        api.publish(json!({"channel": "a", "data": n.to_string()}))
            .await;
    }
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 50 {
        let piece = timeout(PATIENCE, entries.pieces.next()).await.unwrap();
        let piece = piece.unwrap().unwrap();
        sizes.push(piece.iter().filter(|byte| **byte == b'\n').count());
    }
    assert!(sizes.len() <= 3, "{sizes:?}");
    let large = "x".repeat(200_000);
    let begun = Instant::now();
    for _ in 0..2 {
        api.publish(json!({"channel": "a", "data": large})).await;
        assert_eq!(entries.next().await["data"], *large);
    }
    assert!(begun.elapsed() < Duration::from_millis(100), "a full batch");
}

#[tokio::test]
async fn a_stop_ends_the_streams() {
    let api = start().await;
    let mut entries = tail(&api, "").await;
    api.service.parts().samples.run(async {}).await;
    assert_eq!(
        entries.next().await,
        json!({"type": "end", "reason": "stopping"})
    );
    assert_eq!(entries.line().await, None);
}

#[tokio::test]
async fn watchers_are_bounded_and_end_with_their_connection() {
    let api = start().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(tail(&api, "").await);
    }
    let refused = api.admin(Method::GET, "/apps/shop/tail").send().await;
    refused.problem(429);
    create(&api.service, "other").await;
    let other = api.admin(Method::GET, "/apps/other/tail?seconds=1");
    assert_eq!(other.unread().await.status(), 200);
    drop(open.pop());
    open.push(tail(&api, "").await);
    let begun = timeout(Duration::from_secs(10), open[0].line());
    api.publish(json!({"channel": "a", "data": "x"})).await;
    assert!(begun.await.unwrap().unwrap().contains("\"data\":\"x\""));
}

#[tokio::test]
async fn a_stream_belongs_to_its_app() {
    let api = start().await;
    is_of_the_app_alone(&api, Method::GET, "/tail?seconds=1").await;
}
