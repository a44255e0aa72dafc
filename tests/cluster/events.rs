//! Events reach every subscriber on every node once, and on all in one order.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::Client;
use crate::cluster::Cluster;
use crate::http;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_any_node_reach_all_once_in_one_order() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        clients.push(Client::pushi(node).await);
        clients.push(Client::pusher(node).await);
    }
    for client in &mut clients {
        client.subscribe("room", json!({})).await;
    }
    let rounds: u64 = 40;
    // By REST on every node at once, and by a client of each.
    let cluster = &cluster;
    let posts = async {
        for round in 0..rounds {
            join_all(cluster.nodes.iter().enumerate().map(|(n, node)| {
                let data = format!("rest {n} {round}");
                async move { cluster.publish(node, "room", &data, true).await }
            }))
            .await;
        }
    };
    let mut senders = Vec::new();
    for node in &cluster.nodes {
        let mut sender = Client::pushi(node).await;
        sender.subscribe("room", json!({})).await;
        senders.push(sender);
    }
    let says = join_all(senders.iter_mut().enumerate().map(|(n, sender)| async move {
        for round in 0..rounds {
            sender.send(json!({"event": "message", "channel": "room", "data": format!("socket {n} {round}"), "echo": true})).await;
        }
    }));
    tokio::join!(posts, says);
    let all = rounds * 6;
    let mut orders = HashSet::new();
    for client in clients.iter().chain(&senders) {
        client
            .until(|_| (client.serials("room").len() as u64 >= all).then_some(()))
            .await;
        assert_eq!(client.serials("room"), (1..=all).collect::<Vec<u64>>());
        orders.insert(client.events("room", "message"));
    }
    assert_eq!(orders.len(), 1, "one order everywhere");
    for n in 0..3 {
        let said: Vec<String> = orders
            .iter()
            .flatten()
            .filter(|data| data.starts_with(&format!("socket {n}")))
            .cloned()
            .collect();
        assert_eq!(
            said,
            (0..rounds)
                .map(|round| format!("socket {n} {round}"))
                .collect::<Vec<_>>(),
            "in the order in which they were sent"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transient_events_reach_each_subscriber_once_and_the_sender_on_echo() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        let mut client = Client::pushi(node).await;
        client.subscribe("room", json!({})).await;
        clients.push(client);
    }
    for n in 0..50 {
        clients[0]
            .send(json!({"event": "m", "channel": "room", "data": n.to_string(), "persist": false}))
            .await;
    }
    let all: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for client in &clients[1..] {
        client
            .until_is(|client| client.events("room", "m"), all.clone())
            .await;
    }
    cluster
        .publish(&cluster.nodes[1], "room", "last", false)
        .await;
    for client in &clients {
        client
            .until_is(
                |client| client.events("room", "message"),
                vec!["last".to_owned()],
            )
            .await;
    }
    assert!(
        clients[0].events("room", "m").is_empty(),
        "without echo nothing comes back from any node"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_personal_channel_follows_what_another_node_changes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut client = Client::pushi(&cluster.nodes[0]).await;
    client
        .subscribe("personal-ann", json!({"follow": true}))
        .await;
    let body = json!({"user_id": "ann", "event": "news"}).to_string();
    let (status, _) = http::request(
        cluster.nodes[2].api,
        "POST",
        &format!("/subscriptions?sid={}", cluster.token()),
        "",
        &body,
    )
    .await;
    assert_eq!(status, 200);
    client
        .until(|frames| {
            let shown = |frame: &&serde_json::Value| {
                frame["channel"] == "personal-ann"
                    && crate::client::inner(frame)["alias"] == json!(["news"])
            };
            frames.iter().find(shown).map(|_| ())
        })
        .await;
    cluster
        .publish(&cluster.nodes[1], "news", "hello", true)
        .await;
    client
        .until_is(
            |client| client.events("news", "message"),
            vec!["hello".to_owned()],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_meet_across_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut ann = Client::pushi(&cluster.nodes[0]).await;
    let mut bo = Client::pushi(&cluster.nodes[1]).await;
    ann.subscribe(
        "presence-r",
        json!({"channel_data": {"user_id": "ann", "peer": true}}),
    )
    .await;
    bo.subscribe(
        "presence-r",
        json!({"channel_data": {"user_id": "bo", "peer": true}}),
    )
    .await;
    ann.until_is(
        |client| client.changes("presence-r"),
        vec!["+bo".to_owned()],
    )
    .await;
    ann.send(json!({"event": "m", "channel": "peer-r:ann&bo", "data": "hi", "persist": false}))
        .await;
    bo.until_is(
        |client| client.events("peer-r:ann&bo", "m"),
        vec!["hi".to_owned()],
    )
    .await;
    bo.send(json!({"event": "m", "channel": "peer-r:ann&bo", "data": "stored", "echo": true}))
        .await;
    for client in [&ann, &bo] {
        client
            .until(|_| {
                client
                    .events("peer-r:ann&bo", "m")
                    .contains(&"stored".to_owned())
                    .then_some(())
            })
            .await;
    }
}
