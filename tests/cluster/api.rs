//! The signed HTTP API of any node answers for all.

use serde_json::json;

use crate::client::Client;
use crate::cluster::Cluster;
use crate::http;
use crate::presence::watched;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_trigger_leaves_its_socket_out_wherever_that_is() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        let mut client = Client::pusher(node).await;
        client.subscribe("private-a", json!({})).await;
        clients.push(client);
    }
    let body =
        json!({"name": "e", "data": "1", "channel": "private-a", "socket_id": clients[2].id})
            .to_string();
    let (status, answer) = http::pusher(cluster.nodes[0].api, "POST", "/events", &[], &body).await;
    assert_eq!((status, answer), (200, json!({})));
    clients[1]
        .send(json!({"event": "client-x", "channel": "private-a", "data": {"n": 1}}))
        .await;
    clients[2]
        .until_is(|client| client.events("private-a", "client-x").len(), 1)
        .await;
    clients[0]
        .until_is(|client| client.events("private-a", "client-x").len(), 1)
        .await;
    clients[0]
        .until_is(|client| client.events("private-a", "e").len(), 1)
        .await;
    clients[1]
        .until_is(|client| client.events("private-a", "e").len(), 1)
        .await;
    assert!(
        clients[2].events("private-a", "e").is_empty()
            && clients[1].events("private-a", "client-x").is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchlists_and_terminations_hold_on_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let [watcher, ann, bo, again] = watched(&cluster).await;
    watcher
        .until_is(
            Client::watched,
            ["+ann", "-bo", "+bo"].map(String::from).to_vec(),
        )
        .await;
    let (status, answer) = http::pusher(
        cluster.nodes[2].api,
        "POST",
        "/users/ann/terminate_connections",
        &[],
        "{}",
    )
    .await;
    assert_eq!((status, answer), (200, json!({})));
    assert_eq!((ann.ended().await, again.ended().await), (4009, 4009));
    watcher
        .until_is(
            Client::watched,
            ["+ann", "-bo", "+bo", "-ann"].map(String::from).to_vec(),
        )
        .await;
    assert!(!bo.has_ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_users_and_sockets_are_those_of_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for (node, user) in cluster.nodes.iter().zip(["ann", "bo", "ann"]) {
        let mut client = Client::pusher(node).await;
        client.join("presence-r", user).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    clients[1].subscribe("other", json!({})).await;
    for node in &cluster.nodes {
        let (status, answer) = http::pusher(
            node.api,
            "GET",
            "/channels",
            &[("filter_by_prefix", "presence-"), ("info", "user_count")],
            "",
        )
        .await;
        assert_eq!(
            (status, answer),
            (200, json!({"channels": {"presence-r": {"user_count": 2}}}))
        );
        let (_, answer) = http::pusher(node.api, "GET", "/channels", &[], "").await;
        assert_eq!(
            answer,
            json!({"channels": {"news": {}, "other": {}, "presence-r": {}}})
        );
        let (_, answer) = http::pusher(
            node.api,
            "GET",
            "/channels/news",
            &[("info", "subscription_count")],
            "",
        )
        .await;
        assert_eq!(answer, json!({"occupied": true, "subscription_count": 3}));
        let (_, answer) = http::pusher(node.api, "GET", "/channels/nobody", &[], "").await;
        assert_eq!(answer, json!({"occupied": false}));
        let (_, answer) =
            http::pusher(node.api, "GET", "/channels/presence-r/users", &[], "").await;
        assert_eq!(answer, json!({"users": [{"id": "ann"}, {"id": "bo"}]}));
        let (_, answer) = http::get(node.api, &format!("/sockets?sid={}", cluster.token())).await;
        let mut listed: Vec<_> = answer["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|socket| socket["socket_id"].as_str().unwrap())
            .collect();
        let mut ids: Vec<_> = clients.iter().map(|client| client.id.as_str()).collect();
        listed.sort_unstable();
        ids.sort_unstable();
        assert_eq!(listed, ids);
        let (_, answer) = http::get(
            node.api,
            &format!("/sockets/{}?sid={}", clients[1].id, cluster.token()),
        )
        .await;
        assert_eq!(answer["channels"], json!(["news", "other", "presence-r"]));
    }
}
