//! Redis stops and restarts.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::client::Client;
use crate::cluster::{Cluster, LEASE, until_health, until_well};
use crate::http::{self, text};

const ROOM: &str = "presence-room";

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// Clients on all nodes, as members and on `news`.
async fn clients(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for (node, user) in cluster.nodes.iter().zip(["ann", "bo", "cy"]) {
        let mut client = Client::pushi(node).await;
        client.join(ROOM, user).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    clients[0]
        .until_is(|client| client.changes(ROOM), texts(&["+bo", "+cy"]))
        .await;
    clients[1]
        .until_is(|client| client.changes(ROOM), texts(&["+cy"]))
        .await;
    clients
}

async fn without_redis(keeps: bool) {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = clients(&cluster).await;
    cluster
        .publish(&cluster.nodes[0], "news", "before", true)
        .await;
    if keeps {
        cluster.redis.save().await;
    }
    cluster.redis.kill();
    for node in &cluster.nodes {
        until_health(node, "degraded").await;
        assert_eq!(
            http::get(node.api, "/health/ready").await.0,
            200,
            "or a balancer would empty all nodes"
        );
        let (_, detailed) = http::get(node.api, "/health/detailed").await;
        assert_eq!(
            (
                &detailed["checks"]["bus"]["status"],
                &detailed["checks"]["database"]["status"]
            ),
            (&json!("error"), &json!("ok"))
        );
    }
    let metrics = text(cluster.nodes[0].api, "/metrics").await;
    assert!(metrics.contains("\npushi_bus_up 0\n"), "{metrics}");
    // Local delivery continues.
    for (n, node) in cluster.nodes.iter().enumerate() {
        cluster
            .publish(node, "news", &format!("alone {n}"), true)
            .await;
        clients[n]
            .until(|_| {
                clients[n]
                    .events("news", "message")
                    .contains(&format!("alone {n}"))
                    .then_some(())
            })
            .await;
    }
    let mut dee = Client::pushi(&cluster.nodes[1]).await;
    assert_eq!(dee.join(ROOM, "dee").await, ["ann", "bo", "cy", "dee"]);
    clients[1]
        .until_is(|client| client.changes(ROOM), texts(&["+cy", "+dee"]))
        .await;
    clients[2].unsubscribe(ROOM).await;
    sleep(Duration::from_secs(1)).await;
    cluster.redis.restart(keeps).await;
    for node in &cluster.nodes {
        until_well(node).await;
    }
    // What each missed it has from the store, in the order of the serials.
    for client in &clients {
        client
            .until_is(|client| client.serials("news"), vec![1, 2, 3, 4])
            .await;
    }
    // Only what differs is announced.
    clients[0]
        .until(|_| {
            let mut changes = clients[0].changes(ROOM);
            changes.sort();
            (changes == ["+bo", "+cy", "+dee", "-cy"]).then_some(())
        })
        .await;
    clients[1]
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+cy", "+dee", "-cy"]),
        )
        .await;
    sleep(LEASE * 2).await;
    let mut eve = Client::pushi(&cluster.nodes[2]).await;
    assert_eq!(eve.join(ROOM, "eve").await, ["ann", "bo", "dee", "eve"]);
    clients[1]
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+cy", "+dee", "-cy", "+eve"]),
        )
        .await;
    for (n, node) in cluster.nodes.iter().enumerate() {
        cluster
            .publish(node, "news", &format!("together {n}"), true)
            .await;
    }
    for client in &clients {
        client
            .until_is(|client| client.serials("news"), (1..=7).collect())
            .await;
    }
    let metrics = text(cluster.nodes[0].api, "/metrics").await;
    assert!(
        metrics.contains("\npushi_bus_up 1\n")
            && metrics.contains("pushi_call_seconds_count{call=\"bus\"}"),
        "{metrics}"
    );
    for node in &cluster.nodes {
        assert_eq!(
            node.count_logged("redis connection lost"),
            1,
            "it is said once"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_refilled() {
    without_redis(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_with_stale_state_is_corrected() {
    without_redis(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_outages_lose_and_double_nothing() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        let mut client = Client::pushi(node).await;
        client.subscribe("news", json!({})).await;
        client.subscribe("loose", json!({})).await;
        clients.push(client);
    }
    let mut senders = Vec::new();
    for node in &cluster.nodes {
        let mut sender = Client::pushi(node).await;
        sender.subscribe("news", json!({})).await;
        sender.subscribe("loose", json!({})).await;
        senders.push(sender);
    }
    let rounds = 300;
    let sending = tokio::spawn(async move {
        for round in 0..rounds {
            for (n, sender) in senders.iter_mut().enumerate() {
                sender
                    .send(json!({"event": "m", "channel": "news", "data": format!("{n} {round}")}))
                    .await;
                sender.send(json!({"event": "m", "channel": "loose", "data": format!("{n} {round}"), "persist": false})).await;
            }
            sleep(Duration::from_millis(10)).await;
        }
        senders
    });
    for _ in 0..3 {
        sleep(Duration::from_millis(300)).await;
        cluster.redis.kill();
        sleep(Duration::from_millis(400)).await;
        cluster.redis.restart(false).await;
    }
    let senders = sending.await.unwrap();
    for node in &cluster.nodes {
        until_well(node).await;
    }
    let all: Vec<u64> = (1..=rounds * 3).collect();
    for client in &clients {
        client
            .until(|_| (client.serials("news").len() >= all.len()).then_some(()))
            .await;
        assert_eq!(client.serials("news"), all);
    }
    for (n, client) in clients.iter().enumerate() {
        let own: Vec<String> = (0..rounds).map(|round| format!("{n} {round}")).collect();
        let of_own = || {
            client
                .events("loose", "m")
                .into_iter()
                .filter(|data| data.starts_with(&format!("{n} ")))
                .collect::<Vec<_>>()
        };
        client
            .until(|_| (of_own().len() >= own.len()).then_some(()))
            .await;
        assert_eq!(of_own(), own, "a node hears itself, each once and in order");
        let mut heard = client.events("loose", "m");
        let count = heard.len();
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), count, "nothing comes twice");
    }
    drop(senders);
}
