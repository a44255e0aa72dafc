//! Streams and polls that continue where they ended.

use serde_json::{Value, json};

use super::{Events, LINES, poll, publish, publish_on, request, until_connections};
use crate::tcp::Whole;

#[tokio::test]
async fn the_last_id_continues_in_all_channels_without_a_gap_or_a_double() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a&channel=b", "").await;
    publish(&whole, "a", "a1").await;
    publish(&whole, "b", "b1").await;
    publish_on(&whole, &["a", "b"], "both", true).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(events.next().await.id);
    }
    drop(events);
    for text in ["a3", "a4"] {
        publish(&whole, "a", text).await;
    }
    publish(&whole, "b", "b3").await;
    // From any event, not only from the last one.
    let expected = ["b1", "both", "both", "a3", "a4", "b3"];
    for (index, id) in ids.iter().enumerate() {
        for (query, header) in [
            (
                "channel=a&channel=b".to_owned(),
                format!("last-event-id: {id}\r\n"),
            ),
            (format!("channel=b&channel=a&since={id}"), String::new()),
        ] {
            let mut again = Events::open(&whole, &query, &header).await;
            let missed = expected.len() - index;
            let mut texts = Vec::new();
            for _ in 0..missed {
                texts.push(again.next().await.text().to_owned());
            }
            let mut sorted = texts.clone();
            sorted.sort();
            let mut wanted = expected[index..].to_vec();
            wanted.sort_unstable();
            assert_eq!(sorted, wanted, "after {index}: {texts:?}");
            publish_on(&whole, &["a"], "live", false).await;
            assert_eq!(again.next().await.text(), "live");
        }
    }
}

#[tokio::test]
async fn a_position_from_before_the_first_event_continues() {
    let whole = Whole::start(&[]).await;
    publish(&whole, "a", "old").await;
    let events = Events::open(&whole, "channel=a", "").await;
    let cursor = events.head.header("pushi-cursor").unwrap().to_owned();
    assert_eq!(
        events
            .head
            .header("pushi-stream")
            .unwrap()
            .split('.')
            .count(),
        2
    );
    drop(events);
    publish(&whole, "a", "missed").await;
    // The head is in lower case, and a tag is not.
    let named = "channel=a&since=%7B%22a%22%3A1%7D";
    assert_eq!(
        Events::open(&whole, named, "").await.texts().await,
        ["missed"]
    );
    assert!(cursor.ends_with('1'), "{cursor}");
    // Only a browser is sent an id without an event: other parsers report it as an event.
    let mut conn = whole.connect().await;
    conn.send(request("channel=a", "sec-fetch-mode: cors\r\n"))
        .await;
    conn.answer().await;
    let block = conn.take("\n\n").await;
    let id = block
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    assert!(id.ends_with('2'), "{block}");
    publish(&whole, "a", "next").await;
    let mut again = Events::open(&whole, "channel=a", &format!("last-event-id: {id}\r\n")).await;
    assert_eq!(again.texts().await, ["next"]);
}

#[tokio::test]
async fn many_missed_events_come_in_pages_and_live_ones_after_them() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a", "").await;
    publish(&whole, "a", "0").await;
    let id = events.next().await.id;
    drop(events);
    let large = "x".repeat(3000);
    for number in 1..200 {
        publish(&whole, "a", &format!("{number} {large}")).await;
    }
    let mut again = Events::open(&whole, "channel=a", &format!("last-event-id: {id}\r\n")).await;
    publish_on(&whole, &["a"], "200 live", false).await;
    for number in 1..=200 {
        let event = again.next().await;
        let first = event.text().split(' ').next().unwrap();
        assert_eq!(first, number.to_string());
    }
}

#[tokio::test]
async fn what_cannot_be_continued_is_named_first() {
    let whole = Whole::start(&[]).await;
    publish(&whole, "a", "old").await;
    let mut known = Events::open(&whole, "channel=a", "").await;
    publish(&whole, "a", "seen").await;
    let id = known.next().await.id;
    for (query, id) in [
        ("channel=b", id.as_str()),
        ("channel=b", "of another server"),
        ("channel=b&since=%7B%22b%22%3A7%7D", ""),
    ] {
        let mut events = Events::open(&whole, query, &format!("last-event-id: {id}\r\n")).await;
        let gap = events.next().await;
        assert_eq!(gap.name.as_deref(), Some("gap"), "{query} {id}");
        assert_eq!(gap.data, json!({"channels": ["b"]}));
        publish_on(&whole, &["b"], "next", false).await;
        let next = events.next().await;
        assert_eq!((next.text(), &next.id), ("next", &gap.id));
    }
}

#[tokio::test]
async fn polls_lose_nothing_that_is_stored() {
    let whole = Whole::start(&[]).await;
    let mut since = poll(&whole, "channel=a&wait=0").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for text in ["one", "two"] {
        publish(&whole, "a", text).await;
    }
    let answer = poll(&whole, &format!("channel=a&wait=30&since={since}")).await;
    let texts: Vec<_> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["data"])
        .collect();
    assert_eq!(
        (texts, &answer["gap"]),
        (vec![&json!("one"), &json!("two")], &json!([]))
    );
    since = answer["id"].as_str().unwrap().to_owned();
    // An answer waits for an event.
    let mut waiting = whole.connect().await;
    waiting
        .send(request(&format!("channel=a&wait=30&since={since}"), LINES))
        .await;
    until_connections(&whole, 1).await;
    publish(&whole, "a", "three").await;
    let answer = waiting.answer().await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["events"][0]["data"], "three");
    since = body["id"].as_str().unwrap().to_owned();
    let answer = poll(&whole, &format!("channel=a&wait=0&since={since}")).await;
    assert_eq!(answer, json!({"id": since, "events": [], "gap": []}));
    let answer = poll(&whole, &format!("channel=b&wait=30&since={since}")).await;
    assert_eq!(answer["gap"], json!(["b"]));
    until_connections(&whole, 0).await;
}
