//! Streams over plain HTTP, from the request to the last event.

mod continuing;
mod rules;
mod tokens;

use pushi::config::Variable;
use pushi::config::variables::PUSHI_PATH_PREFIX;
use pushi::core::model::{AppIdent, ChannelName, Payload};
use pushi::core::service::Publishing;
use serde_json::{Value, json};

use super::{Answer, Conn, Whole};

const EVENTS: &str = "accept: text/event-stream\r\n";
const LINES: &str = "accept: application/x-ndjson\r\n";

/// An event of a stream.
#[derive(Debug, PartialEq)]
struct Event {
    name: Option<String>,
    id: String,
    data: Value,
}

impl Event {
    fn text(&self) -> &str {
        self.data["data"].as_str().unwrap()
    }
}

/// A client of server-sent events.
struct Events {
    conn: Conn,
    head: Answer,
}

impl Events {
    async fn open(whole: &Whole, query: &str, headers: &str) -> Self {
        Self::over(whole.connect().await, query, headers).await
    }

    async fn over(mut conn: Conn, query: &str, headers: &str) -> Self {
        conn.send(request(query, &format!("{EVENTS}{headers}")))
            .await;
        let head = conn.answer().await;
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        let retry = conn.take("\n").await;
        let retry = retry.strip_prefix("retry: ").unwrap().trim().parse();
        assert!((1000..4000).contains(&retry.unwrap()));
        Self { conn, head }
    }

    /// The next event; comments are skipped.
    async fn next(&mut self) -> Event {
        parse(&self.conn.take("\n\n").await)
    }

    async fn texts<const N: usize>(&mut self) -> [String; N] {
        let mut texts = Vec::new();
        for _ in 0..N {
            texts.push(self.next().await.text().to_owned());
        }
        texts.try_into().unwrap()
    }
}

fn parse(block: &str) -> Event {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(": ").map(str::to_owned)
    };
    Event {
        name: field("event"),
        id: field("id").unwrap_or_default(),
        data: serde_json::from_str(&field("data").unwrap()).unwrap(),
    }
}

fn request(query: &str, headers: &str) -> String {
    format!("GET /stream/shop-key?{query} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")
}

async fn publish_on(whole: &Whole, channels: &[&str], text: &str, persist: bool) {
    let app = AppIdent::parse("shop").unwrap();
    let app = whole.service.app(&app).await.unwrap();
    let publishing = Publishing {
        channels: channels
            .iter()
            .map(|name| ChannelName::parse(name, 0).unwrap())
            .collect(),
        payload: Payload {
            event: "message".into(),
            data: text.into(),
            extra: Default::default(),
        },
        persist,
        idempotency_key: None,
    };
    whole.service.publish(&app, publishing).await.unwrap();
}

async fn publish(whole: &Whole, channel: &str, text: &str) {
    publish_on(whole, &[channel], text, true).await;
}

/// The answer to a poll.
async fn poll(whole: &Whole, query: &str) -> Value {
    let answer = whole.ask(&request(query, "")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits for a number of connections.
async fn until_connections(whole: &Whole, count: u64) {
    let waiting = async {
        while whole.service.gauges().connections != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::listen::BROKEN, waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_event_is_the_frame_of_a_websocket_with_a_position() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a&channel=b", "").await;
    assert_eq!(events.head.header("connection"), Some("close"));
    publish(&whole, "a", "one").await;
    publish_on(&whole, &["b"], "two\n\r", false).await;
    let (one, two) = (events.next().await, events.next().await);
    assert_eq!(one.name, None);
    assert_eq!(one.data["event"], "message");
    assert_eq!(
        (&one.data["channel"], &one.data["data"]),
        (&json!("a"), &json!("one"))
    );
    assert_eq!(one.data["serial"], 1);
    // An event that is not stored does not move the position.
    assert_eq!((two.text(), &two.id), ("two\n\r", &one.id));
    assert_eq!(two.data.get("serial"), None);
}

#[tokio::test]
async fn lines_have_the_same_events() {
    let whole = Whole::start(&[]).await;
    let mut conn = whole.connect().await;
    conn.send(request("channel=a", LINES)).await;
    let head = conn.answer().await;
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    publish(&whole, "a", "one").await;
    let line: Value = serde_json::from_str(&conn.take("\n").await).unwrap();
    assert_eq!(line["event"]["data"], "one");
    publish(&whole, "a", "two").await;
    let mut again = whole.connect().await;
    let since = line["id"].as_str().unwrap();
    again
        .send(request(&format!("channel=a&since={since}"), LINES))
        .await;
    again.answer().await;
    let line: Value = serde_json::from_str(&again.take("\n").await).unwrap();
    assert_eq!(line["event"]["data"], "two");
}

#[tokio::test]
async fn a_kept_connection_a_prefix_and_tls_work() {
    const SETTINGS: &[(Variable, &str)] = &[(PUSHI_PATH_PREFIX, "/realtime")];
    let whole = Whole::start(SETTINGS).await;
    for mut conn in [whole.connect().await, whole.connect_tls().await] {
        // Pipelined: the first answer is complete before the stream begins.
        let live = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
        conn.send(format!("{live}{}", request("channel=a", LINES)))
            .await;
        assert_eq!(conn.answer().await.status, 200);
        assert_eq!(
            conn.answer().await.header("content-type"),
            Some("application/x-ndjson")
        );
        publish(&whole, "a", "one").await;
        conn.until("\"one\"").await;
    }
    let mut conn = whole.connect_tls().await;
    let address = "GET /realtime/stream/shop-key?channel=a HTTP/1.1\r\nhost: a\r\n";
    conn.send(format!("{address}{EVENTS}\r\n")).await;
    assert_eq!(conn.answer().await.status, 200);
    publish(&whole, "a", "two").await;
    conn.until("\"two\"").await;
}
