//! Nodes are stopped and started again one by one, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::{Client, inner};
use crate::cluster::{Cluster, until_well};
use crate::node::Node;

const ROOM: &str = "presence-room";

/// The addresses of the nodes, as in a load balancer.
#[derive(Default)]
struct Balancer {
    ports: Mutex<Vec<u16>>,
    next: AtomicUsize,
}

impl Balancer {
    fn port(&self) -> u16 {
        let ports = self.ports.lock();
        ports[self.next.fetch_add(1, Ordering::Relaxed) % ports.len()]
    }
}

/// A client that reconnects whenever its connection ends, and recovers from its last serial.
async fn faithful(
    balancer: Arc<Balancer>,
    pusher: bool,
    stop: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
) -> (Vec<u64>, Vec<u16>) {
    let (mut serials, mut codes) = (Vec::new(), Vec::new());
    loop {
        let mut client = Client::connect(balancer.port(), pusher).await;
        let last = serials.last().copied().unwrap_or(0);
        let answer = client.subscribe("news", json!({"since": last})).await;
        assert_eq!(inner(&answer)["recovered"], true, "{answer}");
        let told = inner(&answer)["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        serials.extend(told.iter().map(|event| event["serial"].as_u64().unwrap()));
        let done = loop {
            let enough = stop.load(Ordering::Relaxed)
                && serials.len() + client.serials("news").len() >= most.load(Ordering::Relaxed);
            if enough || client.has_ended() {
                break enough;
            }
            sleep(Duration::from_millis(5)).await;
        };
        serials.extend(client.serials("news"));
        if done {
            return (serials, codes);
        }
        codes.push(client.ended().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_persisted_event() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let balancer = Arc::new(Balancer::default());
    let publishing = Arc::new(Balancer::default());
    let all = |cluster: &Cluster, port: fn(&Node) -> u16| {
        cluster.nodes.iter().map(port).collect::<Vec<u16>>()
    };
    *balancer.ports.lock() = all(&cluster, |node| node.sockets);
    *publishing.ports.lock() = all(&cluster, |node| node.api);
    let (stop, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(usize::MAX)),
    );
    let clients: Vec<_> = (0..24)
        .map(|n| {
            tokio::spawn(faithful(
                Arc::clone(&balancer),
                n % 2 == 0,
                Arc::clone(&stop),
                Arc::clone(&most),
            ))
        })
        .collect();
    // The same user on every node, watched by one who stays where nothing is restarted.
    let extra = cluster.node(cluster.redis.port);
    until_well(&extra).await;
    let mut watcher = Client::pushi(&extra).await;
    watcher.join(ROOM, "watcher").await;
    let mut steady = Client::pushi(&extra).await;
    steady.join(ROOM, "ann").await;
    let mut others = Vec::new();
    for node in &cluster.nodes {
        let mut other = Client::pushi(node).await;
        other.join(ROOM, "ann").await;
        others.push(other);
    }
    let ends = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (publishing, ends, token) = (
            Arc::clone(&publishing),
            Arc::clone(&ends),
            cluster.token().to_owned(),
        );
        tokio::spawn(async move {
            let mut count = 0;
            while !ends.load(Ordering::Relaxed) {
                let port = publishing.port();
                let body =
                    json!({"channel": "news", "event": "message", "data": count.to_string()})
                        .to_string();
                let (status, answer) =
                    crate::http::request(port, "POST", &format!("/events?sid={token}"), "", &body)
                        .await;
                assert_eq!(status, 200, "{answer}");
                count += 1;
                sleep(Duration::from_millis(5)).await;
            }
            count
        })
    };
    for other in &others {
        sleep(Duration::from_millis(500)).await;
        // A load balancer routes no new connections to a node that is not ready; publishers switch first.
        let begun = Instant::now();
        let node = cluster.nodes.remove(0);
        balancer.ports.lock().retain(|port| *port != node.sockets);
        publishing.ports.lock().retain(|port| *port != node.api);
        sleep(Duration::from_millis(100)).await;
        node.signal("TERM");
        node.ended().await;
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "the drain is five seconds: {:?}",
            begun.elapsed()
        );
        let node = cluster.node(cluster.redis.port);
        until_well(&node).await;
        balancer.ports.lock().push(node.sockets);
        publishing.ports.lock().push(node.api);
        cluster.nodes.push(node);
        assert_eq!(other.ended().await, 4200);
    }
    ends.store(true, Ordering::Relaxed);
    let count = publisher.await.unwrap();
    most.store(count, Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let (serials, codes) = client.await.unwrap();
        assert_eq!(serials, (1..=count as u64).collect::<Vec<u64>>());
        assert!(codes.iter().all(|code| *code == 4200), "{codes:?}");
    }
    let mut last = Client::pushi(&cluster.nodes[0]).await;
    assert_eq!(last.join(ROOM, "last").await, ["ann", "last", "watcher"]);
    watcher
        .until_is(
            |client| client.changes(ROOM),
            vec!["+ann".to_owned(), "+last".to_owned()],
        )
        .await;
}
