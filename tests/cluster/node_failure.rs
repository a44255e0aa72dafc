//! Nodes that crash, and nodes that are only suspended.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::cluster::{Cluster, LEASE, until_well};

const ROOM: &str = "presence-room";

/// On each node a client: `ann` on the first alone, `bo` on the first and the second, `cy` on the third.
struct Party {
    cluster: Cluster,
    ann: Client,
    first_bo: Client,
    second_bo: Client,
    cy: Client,
}

impl Party {
    async fn meet() -> Option<Self> {
        let cluster = Cluster::start().await?;
        let mut cy = Client::pushi(&cluster.nodes[2]).await;
        cy.join(ROOM, "cy").await;
        let mut second_bo = Client::pusher(&cluster.nodes[1]).await;
        second_bo.join(ROOM, "bo").await;
        let mut first_bo = Client::pusher(&cluster.nodes[0]).await;
        first_bo.join(ROOM, "bo").await;
        let mut ann = Client::pushi(&cluster.nodes[0]).await;
        assert_eq!(ann.join(ROOM, "ann").await, ["ann", "bo", "cy"]);
        cy.until_is(|client| client.changes(ROOM), texts(&["+bo", "+ann"]))
            .await;
        second_bo
            .until_is(|client| client.changes(ROOM), texts(&["+ann"]))
            .await;
        Some(Self {
            cluster,
            ann,
            first_bo,
            second_bo,
            cy,
        })
    }

    /// Adds a marker user: a client that received it has received everything before.
    async fn come(&self, node: usize, user: &str) -> Client {
        let mut client = Client::pushi(&self.cluster.nodes[node]).await;
        client.join(ROOM, user).await;
        client
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_leaves_no_ghost() {
    let Some(mut party) = Party::meet().await else {
        return;
    };
    let died = Instant::now();
    party.cluster.nodes[0].kill();
    party
        .cy
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+bo", "+ann", "-ann"]),
        )
        .await;
    let took = died.elapsed();
    assert!(took < LEASE + Duration::from_secs(2), "{took:?}");
    let mut late = Client::pushi(&party.cluster.nodes[1]).await;
    assert_eq!(late.join(ROOM, "late").await, ["bo", "cy", "late"]);
    party
        .cy
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+bo", "+ann", "-ann", "+late"]),
        )
        .await;
    party
        .second_bo
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+ann", "-ann", "+late"]),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_shorter_than_the_lease_changes_nothing() {
    let Some(mut party) = Party::meet().await else {
        return;
    };
    party.ann.subscribe("news", json!({})).await;
    party.cluster.nodes[0].signal("STOP");
    sleep(LEASE / 2).await;
    party
        .cluster
        .publish(&party.cluster.nodes[1], "news", "meanwhile", true)
        .await;
    party.cluster.nodes[0].signal("CONT");
    party
        .ann
        .until_is(|client| client.serials("news"), vec![1])
        .await;
    sleep(LEASE).await;
    let _dee = party.come(0, "dee").await;
    party
        .cy
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+bo", "+ann", "+dee"]),
        )
        .await;
    party
        .ann
        .until_is(|client| client.changes(ROOM), texts(&["+dee"]))
        .await;
    assert!(!party.first_bo.has_ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_paused_for_longer_is_gone_once_and_back_once() {
    let Some(mut party) = Party::meet().await else {
        return;
    };
    party.ann.subscribe("news", json!({})).await;
    party
        .cluster
        .publish(&party.cluster.nodes[1], "news", "before", true)
        .await;
    party
        .ann
        .until_is(|client| client.serials("news"), vec![1])
        .await;
    party.cluster.nodes[0].signal("STOP");
    party
        .cy
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+bo", "+ann", "-ann"]),
        )
        .await;
    // While it is suspended, a user joins, a user leaves and an event is published.
    let _dee = party.come(1, "dee").await;
    party.cy.unsubscribe(ROOM).await;
    for n in 0..5 {
        party
            .cluster
            .publish(&party.cluster.nodes[2], "news", &n.to_string(), true)
            .await;
    }
    party
        .second_bo
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+ann", "-ann", "+dee", "-cy"]),
        )
        .await;
    party.cluster.nodes[0].signal("CONT");
    party
        .second_bo
        .until_is(
            |client| client.changes(ROOM),
            texts(&["+ann", "-ann", "+dee", "-cy", "+ann"]),
        )
        .await;
    party
        .ann
        .until_is(|client| client.serials("news"), (1..=6).collect())
        .await;
    until_well(&party.cluster.nodes[0]).await;
    party
        .ann
        .until(|_| {
            let mut changes = party.ann.changes(ROOM);
            changes.sort();
            (changes == ["+dee", "-cy"]).then_some(())
        })
        .await;
    // All nodes agree, and continue.
    let mut eve = Client::pushi(&party.cluster.nodes[2]).await;
    assert_eq!(eve.join(ROOM, "eve").await, ["ann", "bo", "dee", "eve"]);
    party
        .second_bo
        .until(|_| {
            party
                .second_bo
                .changes(ROOM)
                .ends_with(&texts(&["+ann", "+eve"]))
                .then_some(())
        })
        .await;
    party
        .ann
        .until(|_| {
            party
                .ann
                .changes(ROOM)
                .ends_with(&texts(&["+eve"]))
                .then_some(())
        })
        .await;
    party.ann.unsubscribe(ROOM).await;
    eve.until_is(|client| client.changes(ROOM), texts(&["-ann"]))
        .await;
    let expected = texts(&["+ann", "-ann", "+dee", "-cy", "+ann", "+eve", "-ann"]);
    party
        .second_bo
        .until_is(|client| client.changes(ROOM), expected)
        .await;
}
