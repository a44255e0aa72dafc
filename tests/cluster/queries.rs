//! Queries about connections cover all nodes.

use serde_json::json;

use crate::client::{Client, inner};
use crate::cluster::Cluster;
use crate::http;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_counts_cover_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    cluster.set_app(json!({"subscription_count": true})).await;
    let mut clients = Vec::new();
    for (n, node) in cluster.nodes.iter().enumerate() {
        // A setting holds everywhere within a second; a channel of its own shows that it does.
        loop {
            let mut probe = Client::pusher(node).await;
            probe.subscribe(&format!("probe-{n}"), json!({})).await;
            probe
                .send(json!({"event": "pusher:ping", "data": {}}))
                .await;
            probe
                .until(|frames| crate::client::find(frames, "pusher:pong", None))
                .await;
            if !probe
                .events(&format!("probe-{n}"), "pusher_internal:subscription_count")
                .is_empty()
            {
                break;
            }
        }
        let mut client = Client::pusher(node).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
        for client in &clients {
            client
                .until(|frames| {
                    let told = |frame: &&serde_json::Value| {
                        frame["event"] == "pusher_internal:subscription_count"
                            && frame["channel"] == "news"
                    };
                    let last = frames.iter().rfind(told)?;
                    (inner(last)["subscription_count"] == n + 1).then_some(())
                })
                .await;
        }
    }
    clients.pop();
    clients[0]
        .until(|frames| {
            let last = frames
                .iter()
                .rfind(|frame| frame["event"] == "pusher_internal:subscription_count")?;
            (inner(last)["subscription_count"] == 2).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_those_of_all_nodes() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        let mut client = Client::pushi(node).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    let listed = async |cluster: &Cluster, node: usize| {
        let (_, answer) = http::get(
            cluster.nodes[node].api,
            &format!("/sockets?sid={}", cluster.token()),
        )
        .await;
        let sockets = answer["sockets"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let mut ids: Vec<String> = sockets
            .iter()
            .map(|socket| socket["socket_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let mut ids: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    for node in 0..3 {
        let mut expected = ids.clone();
        expected.sort();
        assert_eq!(listed(&cluster, node).await, expected);
        let (_, answer) = http::get(
            cluster.nodes[node].api,
            &format!("/sockets/{}?sid={}", ids[1], cluster.token()),
        )
        .await;
        assert_eq!(answer, json!({"socket_id": ids[1], "channels": ["news"]}));
    }
    cluster.nodes[1].kill();
    ids.remove(1);
    ids.sort();
    assert_eq!(
        listed(&cluster, 2).await,
        ids,
        "a node that is gone is not waited for"
    );
}

/// The answer of a node that has received the question and ends before it answers is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_with_a_question_open_is_not_waited_for() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let mut client = Client::pushi(&cluster.nodes[2]).await;
    client.subscribe("news", json!({})).await;
    let mut commands = cluster.redis.monitor().await;
    cluster.nodes[1].signal("STOP");
    let path = format!("/sockets?sid={}", cluster.token());
    let api = cluster.nodes[0].api;
    let asking = tokio::spawn(async move { http::get(api, &path).await });
    commands.until("{\\\"q\\\":[").await;
    cluster.nodes[1].kill();
    let (status, answer) = asking.await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["sockets"][0]["socket_id"], json!(client.id));
}
