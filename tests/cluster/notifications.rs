//! Notifications of targets: one of several nodes sends each, also for a node that died.

use std::collections::{BTreeMap, BTreeSet};

use pushi_test_support::Receiver;
use serde_json::json;

use crate::cluster::Cluster;
use crate::http;

const TARGETS: usize = 3;

/// The path and the data of each notification, with the number of times that it was received.
type Received = BTreeMap<(String, String), usize>;

async fn register(cluster: &Cluster, receiver: &Receiver) {
    for number in 0..TARGETS {
        let url = receiver.url.replace("/hook", &format!("/{number}"));
        let (target, node) = (format!("/webs?sid={}", cluster.token()), number % 2);
        let body = json!({"url": url, "event": "news"}).to_string();
        let (status, answer) =
            http::request(cluster.nodes[node].api, "POST", &target, "", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
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
    register(&cluster, &receiver).await;
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
    register(&cluster, &receiver).await;
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
