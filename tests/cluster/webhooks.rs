//! Webhooks of several nodes: each event is sent once, also for a node that died.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::client::{Client, PATIENCE};
use crate::cluster::{Cluster, LEASE};
use crate::node::Node;

const ROOM: &str = "presence-room";

/// The grace period before a leave is reported.
const COMES_BACK: Duration = Duration::from_secs(3);

/// The tolerance for a busy machine. The nodes reconcile every ten seconds.
const SLACK: Duration = Duration::from_secs(8);

/// A back end that records webhook events.
struct Receiver {
    url: String,
    told: Arc<Told>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    events: Mutex<Vec<String>>,
    more: Notify,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let told = Arc::new(Told::default());
        let noting = Arc::clone(&told);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, Arc::clone(&noting)));
            }
        });
        Self {
            url,
            told,
            listening,
        }
    }

    /// Waits until a node has loaded the webhooks: presence before that is recorded without a report.
    async fn until_known_to(&self, node: &Node) {
        let (mut client, begun) = (Client::pusher(node).await, Instant::now());
        for number in 0.. {
            let (channel, seen) = (
                format!("probe-{}-{number}", node.sockets),
                self.told.events.lock().len(),
            );
            client.subscribe(&channel, json!({})).await;
            let more = self.told.more.notified();
            if self.told.events.lock().len() > seen
                || timeout(Duration::from_secs(1), more).await.is_ok()
            {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the node tells nothing");
        }
    }

    /// Waits until it has received exactly this, in any order.
    async fn until_told(&self, expected: &[&str]) {
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        expected.sort_unstable();
        let waiting = async {
            loop {
                let more = self.told.more.notified();
                let mut told = self.told.events.lock().clone();
                told.retain(|text| !text.contains(" probe-"));
                told.sort_unstable();
                if told == expected {
                    return;
                }
                more.await;
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "{:?} instead of {expected:?}",
            self.told.events.lock()
        );
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Takes requests on one connection until it ends.
async fn hear(mut stream: TcpStream, told: Arc<Told>) {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let head = String::from_utf8(read[..end].to_vec())
            .unwrap()
            .to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .unwrap();
        let whole = end + 4 + length.trim().parse::<usize>().unwrap();
        while read.len() < whole {
            if stream.read_buf(&mut read).await.unwrap() == 0 {
                return;
            }
        }
        let body: Value = serde_json::from_slice(&read[end + 4..whole]).unwrap();
        read.drain(..whole);
        let text = |event: &Value| {
            let user = event["user_id"]
                .as_str()
                .map_or(String::new(), |user| format!(" {user}"));
            format!(
                "{} {}{user}",
                event["name"].as_str().unwrap(),
                event["channel"].as_str().unwrap()
            )
        };
        told.events
            .lock()
            .extend(body["events"].as_array().unwrap().iter().map(text));
        told.more.notify_waiters();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_of_a_dead_node_is_removed_once() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let receiver = Receiver::start().await;
    let events = [
        "channel_occupied",
        "channel_vacated",
        "member_added",
        "member_removed",
    ];
    cluster
        .set_app(
            json!({"client_events": true, "webhooks": [{"url": receiver.url, "events": events}]}),
        )
        .await;
    for node in &cluster.nodes {
        receiver.until_known_to(node).await;
    }
    let mut first = Client::pusher(&cluster.nodes[0]).await;
    let mut second = Client::pusher(&cluster.nodes[1]).await;
    first.subscribe("both", json!({})).await;
    let mut told = vec!["channel_occupied both"];
    receiver.until_told(&told).await;
    // On the second node: one channel that it has alone, and others that the first has, too.
    second.subscribe("both", json!({})).await;
    second.subscribe("alone", json!({})).await;
    first.join(ROOM, "bo").await;
    second.join(ROOM, "bo").await;
    let mut ann = Client::pushi(&cluster.nodes[1]).await;
    ann.join(ROOM, "ann").await;
    told.extend([
        "channel_occupied alone",
        "channel_occupied presence-room",
        "member_added presence-room bo",
    ]);
    told.push("member_added presence-room ann");
    receiver.until_told(&told).await;

    cluster.until_told().await;
    let died = Instant::now();
    cluster.nodes[1].kill();
    told.extend(["channel_vacated alone", "member_removed presence-room ann"]);
    receiver.until_told(&told).await;
    let took = died.elapsed();
    assert!(
        took < LEASE + Duration::from_secs(1) + COMES_BACK + SLACK,
        "{took:?}"
    );
    assert!(took >= COMES_BACK, "{took:?}");

    // Two nodes are alive: leaves of the first that were not reported are now, each once.
    first.unsubscribe("both").await;
    first.unsubscribe(ROOM).await;
    told.extend([
        "channel_vacated both",
        "member_removed presence-room bo",
        "channel_vacated presence-room",
    ]);
    receiver.until_told(&told).await;
    let mut last = Client::pusher(&cluster.nodes[2]).await;
    last.subscribe("last", json!({})).await;
    told.push("channel_occupied last");
    receiver.until_told(&told).await;
}
