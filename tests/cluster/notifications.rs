//! Notifications of targets: one of several nodes sends each, also for a node that died.

use std::collections::{BTreeMap, BTreeSet};

use pushi_test_support::{MongoDatabase, Receiver};
use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::{Cluster, start_node, until_well};
use crate::http;
use crate::node::Node;
use crate::redis::Redis;

const TARGETS: usize = 3;

/// The path and the data of each notification, with the number of times that it was received.
type Received = BTreeMap<(String, String), usize>;

async fn register(nodes: &[Node], token: &str, receiver: &Receiver) {
    for number in 0..TARGETS {
        let url = receiver.url.replace("/hook", &format!("/{number}"));
        let target = json!({"url": url, "event": "news"});
        post(&nodes[number % 2], token, "webs", target).await;
    }
}

async fn post(node: &Node, token: &str, route: &str, body: Value) {
    let (target, body) = (format!("/{route}?sid={token}"), body.to_string());
    let (status, answer) = http::request(node.api, "POST", &target, "", &body).await;
    assert_eq!(status, 200, "{answer}");
}

fn expected(texts: &[String]) -> BTreeSet<(String, String)> {
    let of_target = |number: usize| {
        let texts = texts.iter();
        texts.map(move |text| (format!("/{number}"), text.clone()))
    };
    (0..TARGETS).flat_map(of_target).collect()
}

/// Receives until nothing of `missing` is missing.
async fn receive(receiver: &mut Receiver, mut missing: BTreeSet<(String, String)>) -> Received {
    let mut received = Received::new();
    while !missing.is_empty() {
        let call = receiver.call().await;
        let path = call.line().split(' ').nth(1).unwrap().to_owned();
        let key = (path, call.json()["data"].as_str().unwrap().to_owned());
        missing.remove(&key);
        *received.entry(key).or_default() += 1;
    }
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_target_is_notified_once_by_one_of_the_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut receiver = Receiver::start().await;
    register(&cluster.nodes, cluster.token(), &receiver).await;
    let texts: Vec<String> = (0..45).map(|number| number.to_string()).collect();
    for (number, text) in texts.iter().enumerate() {
        let node = &cluster.nodes[number % cluster.nodes.len()];
        cluster.publish(node, "news", text, number % 5 != 0).await;
    }
    let received = receive(&mut receiver, expected(&texts)).await;
    cluster.until_told().await;
    assert!(receiver.is_quiet());
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_while_it_sends_loses_nothing() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let mut receiver = Receiver::start().await;
    register(&cluster.nodes, cluster.token(), &receiver).await;
    let texts: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    for (number, text) in texts.iter().enumerate() {
        if number == texts.len() / 2 {
            cluster.nodes[1].kill();
        }
        let node = if number < texts.len() / 2 { 1 } else { 0 };
        cluster
            .publish(&cluster.nodes[node], "news", text, true)
            .await;
    }
    let received = receive(&mut receiver, expected(&texts)).await;
    // What the dead node had sent without recording it: one event of each target.
    let repeated: usize = received.values().map(|times| times - 1).sum();
    assert!(repeated <= TARGETS, "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_mongodb_notify_each_target_once() {
    let Some(database) = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await else {
        return;
    };
    let redis = Redis::start().await;
    let node = || {
        let bus = format!("redis://127.0.0.1:{}", redis.port);
        start_node(format!("{}/{}", database.url, database.name), bus)
    };
    // The first one creates the app.
    let mut nodes = vec![node()];
    until_well(&nodes[0]).await;
    nodes.push(node());
    until_well(&nodes[1]).await;
    let token = http::login(nodes[0].api).await;
    let mut receiver = Receiver::start().await;
    register(&nodes, &token, &receiver).await;
    let texts: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    for (number, text) in texts.iter().enumerate() {
        let event = json!({"channel": "news", "data": text, "persist": number % 5 != 0});
        post(&nodes[number % 2], &token, "events", event).await;
    }
    let received = receive(&mut receiver, expected(&texts)).await;
    // Each target is sent one event after the other, so that nothing is left when it has the last one.
    let last = ["last".to_owned()];
    let event = json!({"channel": "news", "data": "last"});
    post(&nodes[1], &token, "events", event).await;
    let rest = receive(&mut receiver, expected(&last)).await;
    assert_eq!(rest.len(), TARGETS, "{rest:?}");
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_any_node_is_notified_only_of_what_it_has_missed() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut receiver = Receiver::start().await;
    let mut always = Receiver::start().await;
    let token = cluster.token();
    for channel in ["seen", "missed", "followed"] {
        for number in 0..TARGETS {
            let url = receiver.url.replace("/hook", &format!("/{number}"));
            let away = json!({"url": url, "event": channel, "when": "away", "user_id": "ann"});
            post(&cluster.nodes[0], token, "webs", away).await;
        }
        let other = json!({"url": always.url, "event": channel});
        post(&cluster.nodes[0], token, "webs", other).await;
    }
    // Ann is connected to one node; at another one somebody else is on each channel.
    let mut ann = Client::pusher(&cluster.nodes[1]).await;
    ann.sign_in("ann", &[]).await;
    ann.subscribe("seen", json!({})).await;
    let mut personal = Client::pushi(&cluster.nodes[1]).await;
    personal.subscribe("personal-ann", json!({})).await;
    personal.subscribe("followed", json!({})).await;
    let mut other = Client::pusher(&cluster.nodes[2]).await;
    for channel in ["seen", "missed", "followed"] {
        other.subscribe(channel, json!({})).await;
    }
    for (number, channel) in ["seen", "followed", "missed"].into_iter().enumerate() {
        cluster
            .publish(&cluster.nodes[number % 3], channel, channel, true)
            .await;
        // All targets are in the outbox together.
        assert_eq!(always.call().await.json()["data"], channel);
    }
    let all = |text: &str| expected(&[text.to_owned()]);
    let received = receive(&mut receiver, all("missed")).await;
    cluster.until_told().await;
    assert!(receiver.is_quiet());
    assert_eq!(received.len(), TARGETS, "{received:?}");
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}
