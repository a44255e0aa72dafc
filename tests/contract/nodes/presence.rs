//! PresenceStore: each case is a sentence of `core::ports::PresenceStore`.

use futures_util::future::join_all;
use pushi::core::member_list::MemberList;
use pushi::core::model::{AppIdent, ChannelName, Member, ServerEvent, SocketId, UserId};
use pushi::core::ports::{BusMessage, Joined};

use super::bus::{app, channel};
use super::{Meeting, Node};

fn socket(counter: u64) -> SocketId {
    SocketId {
        process: 7,
        counter,
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn member(name: &str, data: &str) -> Member {
    Member {
        user_id: user(name),
        data: data.into(),
        peer: data.contains("peer"),
    }
}

/// A presence channel that two nodes watch.
struct Room {
    app: AppIdent,
    channel: ChannelName,
    nodes: [Node; 2],
}

impl Room {
    async fn new(meeting: &impl Meeting) -> Self {
        let room = Self {
            app: app(),
            channel: channel("presence-a"),
            nodes: [meeting.node().await, meeting.node().await],
        };
        for node in &room.nodes {
            node.bus.watch(&room.app, &room.channel).await.unwrap();
        }
        room
    }

    async fn join(&self, node: usize, counter: u64, name: &str, data: &str) -> Option<Joined> {
        self.join_at_most(node, counter, name, data, 0).await
    }

    async fn join_at_most(
        &self,
        node: usize,
        counter: u64,
        name: &str,
        data: &str,
        max: u64,
    ) -> Option<Joined> {
        let presence = &self.nodes[node].presence;
        presence
            .join(
                &self.app,
                &self.channel,
                socket(counter),
                member(name, data),
                max,
            )
            .await
            .unwrap()
    }

    async fn leave(&self, node: usize, counter: u64, name: &str) {
        self.nodes[node]
            .presence
            .leave(&self.app, &self.channel, socket(counter), &user(name))
            .await
            .unwrap();
    }

    async fn members(&self, node: usize) -> Vec<String> {
        shown(
            &self.nodes[node]
                .presence
                .members(&self.app, &self.channel)
                .await
                .unwrap(),
        )
    }

    /// Waits until every node has delivered exactly this.
    async fn told(&self, expected: &[&str]) {
        for node in &self.nodes {
            node.sink.until_told(&self.channel, expected).await;
        }
    }
}

/// The data of a member that joined or left.
fn data_of(message: &BusMessage) -> Option<String> {
    match message {
        BusMessage::Broadcast {
            event:
                ServerEvent::MemberAdded { member, .. } | ServerEvent::MemberRemoved { member, .. },
            ..
        } => Some(member.data.to_string()),
        _ => None,
    }
}

fn shown(members: &MemberList) -> Vec<String> {
    members
        .iter()
        .map(|member| format!("{}:{}", member.user_id, member.data))
        .collect()
}

pub(super) async fn one_of_concurrent_first_connections_announces(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    let mut expected = Vec::new();
    for round in 0..20 {
        let name = format!("u{round}");
        let joins =
            (0..10).map(|n| room.join(usize::from(n % 2 == 0), round * 100 + n, &name, "{}"));
        for joined in join_all(joins).await {
            assert!(shown(&joined.unwrap().members).contains(&format!("{name}:{{}}")));
        }
        let leaves = (0..10).map(|n| room.leave(usize::from(n % 2 == 0), round * 100 + n, &name));
        join_all(leaves).await;
        expected.extend([format!("+{name}"), format!("-{name}")]);
    }
    room.told(&expected.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
}

pub(super) async fn only_the_first_and_the_last_connection_announce(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    room.join(0, 1, "a", "1").await;
    room.join(1, 2, "a", "2").await;
    room.leave(0, 1, "a").await;
    assert_eq!(room.members(0).await, ["a:2"]);
    room.join(0, 3, "b", "1").await;
    room.leave(1, 2, "a").await;
    room.told(&["+a", "+b", "-a"]).await;
    assert_eq!(
        (room.members(0).await, room.members(1).await),
        (vec!["b:1".to_owned()], vec!["b:1".to_owned()])
    );
}

pub(super) async fn a_connection_that_is_there_gets_its_data_replaced(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    room.join(0, 1, "a", "1").await;
    let again = room.join(0, 1, "a", "2").await.unwrap();
    assert_eq!(shown(&again.members), ["a:2"]);
    assert!(!again.new);
    room.told(&["+a", "-a", "+a"]).await;
    room.join(0, 1, "a", "2").await;
    // Of several connections none is announced.
    room.join(1, 2, "a", "3").await;
    room.join(0, 1, "a", "4").await;
    room.leave(1, 2, "a").await;
    room.join(0, 1, "a", "5").await;
    room.told(&["+a", "-a", "+a", "-a", "+a"]).await;
    room.leave(0, 1, "a").await;
    room.told(&["+a", "-a", "+a", "-a", "+a", "-a"]).await;
    let told = room.nodes[1].sink.heard();
    let data: Vec<_> = told.iter().filter_map(data_of).collect();
    assert_eq!(data, ["1", "1", "2", "4", "5", "5"]);
    assert_eq!(room.members(1).await, [""; 0]);
}

pub(super) async fn the_newest_data_count(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    room.join(0, 1, "a", "1").await;
    room.join(1, 2, "a", "2").await;
    let third = room.join(0, 3, "b", "x").await.unwrap();
    assert_eq!(shown(&third.members), ["a:2", "b:x"]);
    room.leave(1, 2, "a").await;
    let fourth = room.join(1, 4, "c", "x").await.unwrap();
    assert_eq!(
        shown(&fourth.members),
        ["a:1", "b:x", "c:x"],
        "the newest that is left"
    );
}

pub(super) async fn leaving_without_a_join_does_nothing(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    room.leave(0, 1, "a").await;
    room.join(0, 1, "a", "1").await;
    room.leave(0, 2, "a").await;
    room.leave(0, 1, "b").await;
    room.join(1, 3, "c", "1").await;
    room.told(&["+a", "+c"]).await;
}

pub(super) async fn a_full_channel_takes_no_new_user(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    assert!(room.join_at_most(0, 1, "a", "1", 2).await.is_some());
    assert!(room.join_at_most(1, 2, "b", "1", 2).await.is_some());
    for node in 0..2 {
        assert!(room.join_at_most(node, 3, "c", "1", 2).await.is_none());
        assert!(
            room.join_at_most(node, 4, "a", "1", 2).await.is_some(),
            "another connection of who is there"
        );
    }
    room.leave(1, 2, "b").await;
    assert!(room.join_at_most(0, 3, "c", "1", 2).await.is_some());
    room.told(&["+a", "+b", "-b", "+c"]).await;
}

pub(super) async fn members_come_in_the_order_in_which_they_came(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    let names: Vec<String> = (0..30).map(|n| format!("u{}", (n * 7) % 30)).collect();
    for (index, name) in names.iter().enumerate() {
        room.join(index % 2, index as u64, name, "1").await;
    }
    room.join(1, 100, "u0", "2").await;
    let expected: Vec<String> = names
        .iter()
        .map(|name| format!("{name}:{}", if name == "u0" { 2 } else { 1 }))
        .collect();
    let last = room.join(0, 101, "u1", "1").await.unwrap();
    assert_eq!(shown(&last.members), expected);
    let other = room.join(1, 102, "u2", "1").await.unwrap();
    assert_eq!(shown(&other.members), expected);
}

pub(super) async fn announcements_have_growing_versions_in_one_order(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    join_all((0..100).map(|n| {
        let room = &room;
        async move {
            let name = format!("u{n}");
            room.join(usize::from(n % 2 == 0), n, &name, "1").await;
            room.leave(usize::from(n % 2 == 0), n, &name).await;
        }
    }))
    .await;
    let mut orders = Vec::new();
    for node in &room.nodes {
        node.sink
            .until(|heard| (heard.len() >= 200).then_some(()))
            .await;
        let versions: Vec<u64> = node
            .sink
            .heard()
            .iter()
            .map(|message| match message {
                BusMessage::Broadcast {
                    event: ServerEvent::MemberAdded { .. } | ServerEvent::MemberRemoved { .. },
                    version: Some(version),
                    ..
                } => *version,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(
            versions.windows(2).all(|pair| pair[0] < pair[1]),
            "{versions:?}"
        );
        orders.push(node.sink.told(&room.channel));
    }
    assert_eq!(orders[0], orders[1]);
}

pub(super) async fn members_in_a_join_answer_are_not_announced_again(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    let joins = join_all((0..40).map(|n| {
        let room = &room;
        async move {
            let node = usize::from(n % 2 == 0);
            (
                node,
                room.join(node, n, &format!("u{n}"), "1").await.unwrap(),
            )
        }
    }))
    .await;
    for node in &room.nodes {
        node.sink
            .until(|heard| (heard.len() >= 40).then_some(()))
            .await;
    }
    for (node, joined) in joins {
        let mut shown: Vec<String> = joined
            .members
            .iter()
            .map(|member| format!("+{}", member.user_id))
            .collect();
        let later = room.nodes[node]
            .sink
            .heard()
            .into_iter()
            .filter_map(|message| match message {
                BusMessage::Broadcast {
                    event: ServerEvent::MemberAdded { member, .. },
                    version: Some(version),
                    ..
                } if version > joined.version => Some(format!("+{}", member.user_id)),
                _ => None,
            });
        shown.extend(later);
        shown.sort();
        let mut all: Vec<String> = (0..40).map(|n| format!("+u{n}")).collect();
        all.sort();
        assert_eq!(
            shown, all,
            "with what is announced after it, everybody once"
        );
    }
}

pub(super) async fn unusual_names_and_data_are_distinguished(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    let names = ["ü", "u", "U", "😀", "a b", "{x}", "\"", "\\", "1v", "%s"];
    let data = "{\"user_id\":\"\\u0000/\\\"\",\"n\":1e400,\"t\":\"\t\u{7f}ü😀\"}";
    for (index, name) in names.iter().enumerate() {
        room.join(index % 2, index as u64, name, data).await;
    }
    let expected: Vec<String> = names.iter().map(|name| format!("{name}:{data}")).collect();
    assert_eq!(
        room.join(0, 50, "u", data)
            .await
            .map(|joined| shown(&joined.members)),
        Some(expected.clone())
    );
    let other = AppIdent::trusted(&format!("{}x", room.app.as_str()));
    assert_eq!(
        room.nodes[1]
            .presence
            .members(&other, &room.channel)
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(
        room.nodes[1]
            .presence
            .members(&room.app, &channel("presence-{a}"))
            .await
            .unwrap()
            .len(),
        0
    );
}

pub(super) async fn peers_are_known_on_every_node_that_watches(meeting: &impl Meeting) {
    let room = Room::new(meeting).await;
    room.join(0, 1, "a", "peer").await;
    room.join(1, 2, "b", "no").await;
    room.told(&["+a", "+b"]).await;
    for node in &room.nodes {
        let is_peer = |name: &str| {
            node.presence
                .is_peer(&room.app, room.channel.as_str(), name)
        };
        assert!(is_peer("a") && !is_peer("b") && !is_peer("c"));
    }
    room.join(1, 3, "a", "no").await;
    room.join(0, 4, "c", "no").await;
    room.told(&["+a", "+b", "+c"]).await;
    assert!(
        room.nodes
            .iter()
            .all(|node| !node.presence.is_peer(&room.app, room.channel.as_str(), "a")),
        "the newest data count"
    );
}
