//! A network partition between a node and Redis.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::client::Client;
use crate::cluster::{Cluster, LEASE, until_health, until_well};
use crate::proxy::Proxy;

const ROOM: &str = "presence-room";

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// Two nodes, and one behind a proxy: the last.
async fn set() -> Option<(Cluster, Proxy)> {
    let mut cluster = Cluster::start().await?;
    let proxy = Proxy::to(cluster.redis.port).await;
    let behind = cluster.node(proxy.port);
    until_well(&behind).await;
    cluster.nodes.push(behind);
    Some((cluster, proxy))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_longer_than_the_lease_is_got_over() {
    let Some((cluster, proxy)) = set().await else {
        return;
    };
    let mut bo = Client::pushi(&cluster.nodes[0]).await;
    bo.join(ROOM, "bo").await;
    let mut cut_bo = Client::pushi(&cluster.nodes[3]).await;
    cut_bo.join(ROOM, "bo").await;
    let mut ann = Client::pushi(&cluster.nodes[3]).await;
    ann.join(ROOM, "ann").await;
    for client in [&mut ann, &mut bo] {
        client.subscribe("news", json!({})).await;
    }
    proxy.swallow();
    until_health(&cluster.nodes[3], "degraded").await;
    bo.until_is(|client| client.changes(ROOM), texts(&["+ann", "-ann"]))
        .await;
    // Both sides go on by themselves.
    cluster
        .publish(&cluster.nodes[0], "news", "there", true)
        .await;
    cluster
        .publish(&cluster.nodes[3], "news", "here", true)
        .await;
    bo.until(|_| {
        bo.events("news", "message")
            .contains(&"there".to_owned())
            .then_some(())
    })
    .await;
    ann.until(|_| {
        ann.events("news", "message")
            .contains(&"here".to_owned())
            .then_some(())
    })
    .await;
    let mut dee = Client::pushi(&cluster.nodes[3]).await;
    assert_eq!(dee.join(ROOM, "dee").await, ["ann", "bo", "dee"]);
    let mut eve = Client::pushi(&cluster.nodes[1]).await;
    assert_eq!(eve.join(ROOM, "eve").await, ["bo", "eve"]);
    proxy.flow();
    until_well(&cluster.nodes[3]).await;
    for client in [&ann, &bo] {
        client
            .until_is(|client| client.serials("news"), vec![1, 2])
            .await;
    }
    bo.until(|_| {
        let mut changes = bo.changes(ROOM);
        changes.sort();
        (changes == ["+ann", "+ann", "+dee", "+eve", "-ann"]).then_some(())
    })
    .await;
    ann.until_is(|client| client.changes(ROOM), texts(&["+dee", "+eve"]))
        .await;
    cut_bo
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+ann", "+dee", "+eve"]),
        )
        .await;
    for n in 0..4 {
        let mut late = Client::pushi(&cluster.nodes[n]).await;
        assert_eq!(
            late.join(ROOM, "late").await,
            ["ann", "bo", "dee", "eve", "late"]
        );
        late.unsubscribe(ROOM).await;
        let told = |client: &Client| {
            client
                .changes(ROOM)
                .iter()
                .filter(|change| *change == "-late")
                .count()
        };
        ann.until_is(told, n + 1).await;
        bo.until_is(told, n + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_shorter_than_the_lease_is_not_noticed_in_the_list() {
    let Some((cluster, proxy)) = set().await else {
        return;
    };
    let mut bo = Client::pushi(&cluster.nodes[0]).await;
    bo.join(ROOM, "bo").await;
    let mut ann = Client::pushi(&cluster.nodes[3]).await;
    ann.join(ROOM, "ann").await;
    ann.subscribe("news", json!({})).await;
    for round in 0..3 {
        proxy.swallow();
        sleep(LEASE / 2 + Duration::from_millis(200)).await;
        cluster
            .publish(&cluster.nodes[0], "news", "there", true)
            .await;
        proxy.flow();
        until_well(&cluster.nodes[3]).await;
        ann.until_is(|client| client.serials("news"), (1..=round + 1).collect())
            .await;
    }
    sleep(LEASE).await;
    let mut eve = Client::pushi(&cluster.nodes[3]).await;
    assert_eq!(eve.join(ROOM, "eve").await, ["ann", "bo", "eve"]);
    bo.until_is(|client| client.changes(ROOM), texts(&["+ann", "+eve"]))
        .await;
    ann.until_is(|client| client.changes(ROOM), texts(&["+eve"]))
        .await;
}
