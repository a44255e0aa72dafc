//! Presence is one list over all nodes.

use serde_json::json;

use crate::client::Client;
use crate::cluster::Cluster;

const ROOM: &str = "presence-room";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_and_last_connection_of_a_user_are_judged_over_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut watcher = Client::pushi(&cluster.nodes[2]).await;
    watcher.join(ROOM, "watcher").await;
    let mut one = Client::pushi(&cluster.nodes[0]).await;
    assert_eq!(one.join(ROOM, "ann").await, ["ann", "watcher"]);
    let mut two = Client::pusher(&cluster.nodes[1]).await;
    assert_eq!(two.join(ROOM, "ann").await, ["ann", "watcher"]);
    drop(one);
    let mut bo = Client::pusher(&cluster.nodes[0]).await;
    assert_eq!(bo.join(ROOM, "bo").await, ["ann", "bo", "watcher"]);
    two.unsubscribe(ROOM).await;
    watcher
        .until_is(
            |client| client.changes(ROOM),
            ["+ann", "+bo", "-ann"].map(String::from).to_vec(),
        )
        .await;
    bo.until_is(|client| client.changes(ROOM), vec!["-ann".to_owned()])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_connections_at_the_same_moment_announce_one_join() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut watchers = Vec::new();
    for node in &cluster.nodes {
        let mut watcher = Client::pushi(node).await;
        watcher
            .subscribe(ROOM, json!({"channel_data": {"user_id": "watcher"}}))
            .await;
        watchers.push(watcher);
    }
    let mut pairs = Vec::new();
    for node in [&cluster.nodes[0], &cluster.nodes[1]] {
        pairs.push(Client::pushi(node).await);
    }
    let [one, two] = pairs.as_mut_slice() else {
        unreachable!()
    };
    let mut expected = Vec::new();
    for round in 0..100 {
        let user = format!("u{round}");
        let (first, second) = tokio::join!(one.join(ROOM, &user), two.join(ROOM, &user));
        assert_eq!(
            (first, second),
            (
                vec![user.clone(), "watcher".into()],
                vec![user.clone(), "watcher".into()]
            )
        );
        tokio::join!(one.unsubscribe(ROOM), two.unsubscribe(ROOM));
        expected.extend([format!("+{user}"), format!("-{user}")]);
        for watcher in &watchers {
            watcher
                .until_is(|client| client.changes(ROOM), expected.clone())
                .await;
        }
    }
}

/// A user of the third node who watches ann and bo; ann on the first node; bo, and ann again, on the second.
pub(crate) async fn watched(cluster: &Cluster) -> [Client; 4] {
    let mut watcher = Client::pusher(&cluster.nodes[2]).await;
    let mut ann = Client::pusher(&cluster.nodes[0]).await;
    ann.sign_in("ann", &[]).await;
    watcher.sign_in("w", &["ann", "bo"]).await;
    watcher
        .until_is(Client::watched, vec!["+ann".to_owned(), "-bo".to_owned()])
        .await;
    let mut bo = Client::pusher(&cluster.nodes[1]).await;
    bo.sign_in("bo", &[]).await;
    let mut again = Client::pusher(&cluster.nodes[1]).await;
    again.sign_in("ann", &[]).await;
    [watcher, ann, bo, again]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchlists_hold_over_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let [watcher, ann, bo, again] = watched(&cluster).await;
    drop(ann);
    watcher
        .until_is(
            Client::watched,
            ["+ann", "-bo", "+bo"].map(String::from).to_vec(),
        )
        .await;
    drop(bo);
    watcher
        .until_is(
            Client::watched,
            ["+ann", "-bo", "+bo", "-bo"].map(String::from).to_vec(),
        )
        .await;
    drop(again);
    watcher
        .until_is(
            Client::watched,
            ["+ann", "-bo", "+bo", "-bo", "-ann"]
                .map(String::from)
                .to_vec(),
        )
        .await;
}
