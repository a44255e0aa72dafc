//! The contract of the roster: each case is a sentence of its port. An adapter runs all of them.

pub(crate) mod nodes;

use pushi::core::hub::SubscribedVia;
use pushi::core::model::{Occupancy, ServerEvent, SocketId};
use pushi::core::ports::{BusMessage, OccupancyChange};

use crate::samples::{channel, user};
use nodes::{Nodes, apps, member, names};

pub(crate) async fn sockets_are_listed_in_order_and_paged(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let connections = [
        a.on(&app, &["y", "x"]).await,
        b.on(&app, &[]).await,
        a.on(&app, &["x"]).await,
    ];
    let mut ids: Vec<SocketId> = connections
        .iter()
        .map(|connection| connection.id())
        .collect();
    ids.sort_unstable();
    let listed = b.roster.sockets(&app.ident, None, 10).await.unwrap();
    assert_eq!(
        listed.iter().map(|socket| socket.id).collect::<Vec<_>>(),
        ids
    );
    let first = listed
        .iter()
        .find(|socket| socket.id == connections[0].id())
        .unwrap();
    assert_eq!(names(&first.channels), ["x", "y"]);
    let page = a.roster.sockets(&app.ident, Some(ids[0]), 1).await.unwrap();
    assert_eq!(
        page.iter().map(|socket| socket.id).collect::<Vec<_>>(),
        ids[1..2]
    );
    assert!(
        a.roster
            .sockets(&app.ident, Some(ids[2]), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn one_socket_is_found_wherever_it_is(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let connection = a.on(&app, &["x"]).await;
    let found = b
        .roster
        .socket(&app.ident, connection.id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id, names(&found.channels)),
        (connection.id(), vec!["x"])
    );
    let id = connection.id();
    drop(connection);
    assert_eq!(a.roster.socket(&app.ident, id).await.unwrap(), None);
}

pub(crate) async fn occupied_channels_are_listed_by_prefix_and_paged(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let _connections = [
        a.on(&app, &["room-b", "room-a", "other"]).await,
        b.on(&app, &["room-b", "room-c", "Room-d"]).await,
    ];
    for name in ["room-a", "room-b", "other", "room-c", "Room-d"] {
        for node in [a, b] {
            node.roster
                .recount(&app.ident, &channel(name), false)
                .await
                .unwrap();
        }
    }
    let listed = a
        .roster
        .channels(&app.ident, "room-", None, 10)
        .await
        .unwrap();
    let counts: Vec<_> = listed
        .iter()
        .map(|found| (found.channel.as_str(), found.occupancy.subscriptions))
        .collect();
    assert_eq!(counts, [("room-a", 1), ("room-b", 2), ("room-c", 1)]);
    let page = b
        .roster
        .channels(&app.ident, "room-", Some(&channel("room-a")), 1)
        .await
        .unwrap();
    assert_eq!(
        page.iter()
            .map(|found| found.channel.as_str())
            .collect::<Vec<_>>(),
        ["room-b"]
    );
    let all = b.roster.channels(&app.ident, "", None, 10).await.unwrap();
    assert_eq!(
        all.iter()
            .map(|found| found.channel.as_str())
            .collect::<Vec<_>>(),
        ["Room-d", "other", "room-a", "room-b", "room-c"]
    );
    assert!(
        a.roster
            .channels(&app.ident, "none", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn occupancy_counts_connections(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let news = channel("news");
    assert_eq!(
        a.roster.occupancy(&app.ident, &news).await.unwrap(),
        Occupancy::default()
    );
    let (one, two) = (a.on(&app, &["news"]).await, b.on(&app, &["news"]).await);
    a.roster.recount(&app.ident, &news, false).await.unwrap();
    assert_eq!(
        b.roster
            .recount(&app.ident, &news, false)
            .await
            .unwrap()
            .subscriptions,
        2
    );
    assert_eq!(
        a.roster.occupancy(&app.ident, &news).await.unwrap(),
        Occupancy {
            subscriptions: 2,
            users: 0
        }
    );
    drop(two);
    assert_eq!(
        b.roster
            .recount(&app.ident, &news, false)
            .await
            .unwrap()
            .subscriptions,
        1
    );
    drop(one);
    a.roster.recount(&app.ident, &news, false).await.unwrap();
    assert_eq!(
        b.roster.occupancy(&app.ident, &news).await.unwrap(),
        Occupancy::default()
    );
}

pub(crate) async fn exactly_one_recount_finds_each_turn(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let news = channel("news");
    for _ in 0..20 {
        let connections = [a.on(&app, &["news"]).await, b.on(&app, &["news"]).await];
        let turns = tokio::join!(
            a.roster.recount(&app.ident, &news, false),
            b.roster.recount(&app.ident, &news, false)
        );
        let turns = [turns.0.unwrap().change, turns.1.unwrap().change];
        assert!(
            turns.contains(&Some(OccupancyChange::Occupied)) && turns.contains(&None),
            "{turns:?}"
        );
        drop(connections);
        let turns = tokio::join!(
            a.roster.recount(&app.ident, &news, false),
            b.roster.recount(&app.ident, &news, false)
        );
        let turns = [turns.0.unwrap().change, turns.1.unwrap().change];
        assert!(
            turns.contains(&Some(OccupancyChange::Vacated)) && turns.contains(&None),
            "{turns:?}"
        );
    }
}

pub(crate) async fn a_recount_announces_only_where_it_is_asked_to(nodes: &impl Nodes) {
    let ([a, _], [app]) = (nodes.pair(), apps(["a"]).await);
    let news = channel("news");
    let _one = a.on(&app, &["news"]).await;
    a.roster.recount(&app.ident, &news, false).await.unwrap();
    let two = a.on(&app, &["news"]).await;
    a.roster.recount(&app.ident, &news, true).await.unwrap();
    drop(two);
    a.roster.recount(&app.ident, &news, true).await.unwrap();
    let counts: Vec<u64> = a.heard.take(2).await.iter().map(count).collect();
    assert_eq!(counts, [2, 1]);
}

fn count(message: &BusMessage) -> u64 {
    match message {
        BusMessage::Broadcast {
            event: ServerEvent::SubscriptionCount { channel, count },
            ..
        } if channel.as_str() == "news" => *count,
        other => panic!("not a count: {other:?}"),
    }
}

pub(crate) async fn the_last_announcement_carries_the_last_count(nodes: &impl Nodes) {
    let ([a, _], [app]) = (nodes.pair(), apps(["a"]).await);
    let news = channel("news");
    let joining = (0..20).map(|_| async {
        let connection = a.on(&app, &["news"]).await;
        a.roster.recount(&app.ident, &news, true).await.unwrap();
        connection
    });
    let connections = futures_util::future::join_all(joining).await;
    let counts: Vec<u64> = a.heard.take(20).await.iter().map(count).collect();
    assert_eq!(counts.last(), Some(&20), "{counts:?}");
    drop(connections);
}

/// Users who came online (`true`) or went offline, with increasing versions.
fn statuses(messages: &[BusMessage]) -> Vec<(&str, bool)> {
    let read = |message| match message {
        &BusMessage::Broadcast {
            event: ServerEvent::UserStatus { ref user, online },
            version: Some(version),
            ..
        } => (user.as_str(), online, version),
        other => panic!("not a status: {other:?}"),
    };
    let read: Vec<_> = messages.iter().map(read).collect();
    assert!(
        read.windows(2).all(|pair| pair[0].2 < pair[1].2),
        "{read:?}"
    );
    read.into_iter()
        .map(|(user, online, _)| (user, online))
        .collect()
}

pub(crate) async fn a_users_first_and_last_connection_announce_themselves(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let (ann, bo) = (user("ann"), user("bo"));
    let (one, two) = (a.connect(&app).id(), b.connect(&app).id());
    a.roster.sign_in(&app.ident, &ann, one).await.unwrap();
    a.roster.sign_in(&app.ident, &ann, one).await.unwrap();
    b.roster.sign_in(&app.ident, &ann, two).await.unwrap();
    a.roster.sign_out(&app.ident, &ann, one).await.unwrap();
    a.roster.sign_out(&app.ident, &ann, one).await.unwrap();
    a.roster.sign_out(&app.ident, &bo, one).await.unwrap();
    a.roster.sign_in(&app.ident, &bo, one).await.unwrap();
    b.roster.sign_out(&app.ident, &ann, two).await.unwrap();
    assert_eq!(
        statuses(&a.heard.take(3).await),
        [("ann", true), ("bo", true), ("ann", false)]
    );
}

pub(crate) async fn one_of_two_concurrent_first_ones_announces(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    for round in 0..20 {
        let ann = user(&format!("ann-{round}"));
        let (one, two) = (a.connect(&app).id(), b.connect(&app).id());
        let (first, second) = tokio::join!(
            a.roster.sign_in(&app.ident, &ann, one),
            b.roster.sign_in(&app.ident, &ann, two)
        );
        first.and(second).unwrap();
        let (first, second) = tokio::join!(
            a.roster.sign_out(&app.ident, &ann, one),
            b.roster.sign_out(&app.ident, &ann, two)
        );
        first.and(second).unwrap();
        assert_eq!(
            statuses(&a.heard.take(2).await),
            [(ann.as_str(), true), (ann.as_str(), false)]
        );
    }
}

pub(crate) async fn online_users_have_a_version(nodes: &impl Nodes) {
    let ([a, b], [app]) = (nodes.pair(), apps(["a"]).await);
    let users = ["ann", "bo", "cy"].map(user);
    assert_eq!(
        b.roster.online(&app.ident, &users).await.unwrap().online,
        [false; 3]
    );
    let id = a.connect(&app).id();
    a.roster.sign_in(&app.ident, &users[0], id).await.unwrap();
    a.roster.sign_in(&app.ident, &users[2], id).await.unwrap();
    let found = b.roster.online(&app.ident, &users).await.unwrap();
    let found = match found.online == [true, false, true] {
        true => found,
        // A message of the other node may be in flight.
        false => {
            b.heard
                .until(|heard| (heard.len() == 2).then_some(()))
                .await;
            b.roster.online(&app.ident, &users).await.unwrap()
        }
    };
    assert_eq!(found.online, [true, false, true]);
    let versions = |messages: Vec<BusMessage>| -> Vec<u64> {
        let version = |message: &BusMessage| match message {
            BusMessage::Broadcast { version, .. } => *version,
            _ => None,
        };
        messages.iter().filter_map(version).collect()
    };
    assert!(
        versions(b.heard.take(2).await)
            .iter()
            .all(|version| *version <= found.version)
    );
    a.roster.sign_out(&app.ident, &users[2], id).await.unwrap();
    assert!(
        versions(b.heard.take(1).await)
            .iter()
            .all(|version| *version > found.version)
    );
    assert_eq!(
        b.roster.online(&app.ident, &users).await.unwrap().online,
        [true, false, false]
    );
    assert!(
        b.roster
            .online(&app.ident, &[])
            .await
            .unwrap()
            .online
            .is_empty()
    );
}

pub(crate) async fn users_of_a_presence_channel_count_once(nodes: &impl Nodes) {
    let ([a, _], [app]) = (nodes.pair(), apps(["a"]).await);
    let room = channel("presence-room");
    let connections = [a.connect(&app), a.connect(&app), a.connect(&app)];
    for (connection, user) in connections.iter().zip(["ann", "ann", "bo"]) {
        connection.subscribe(&room, SubscribedVia::Client, Some(&member(user)));
        a.roster.recount(&app.ident, &room, false).await.unwrap();
    }
    assert_eq!(
        a.hub.app(&app.ident).unwrap().occupancy(&room),
        Occupancy {
            subscriptions: 3,
            users: 2
        }
    );
}

pub(crate) async fn rosters_of_two_apps_are_separate(nodes: &impl Nodes) {
    let ([a, b], [one, two]) = (nodes.pair(), apps(["a", "b"]).await);
    let connection = a.on(&one, &["news"]).await;
    a.roster
        .recount(&one.ident, &channel("news"), false)
        .await
        .unwrap();
    a.roster
        .sign_in(&one.ident, &user("ann"), connection.id())
        .await
        .unwrap();
    assert!(
        b.roster
            .sockets(&two.ident, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        b.roster.socket(&two.ident, connection.id()).await.unwrap(),
        None
    );
    assert!(
        b.roster
            .channels(&two.ident, "", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        b.roster
            .occupancy(&two.ident, &channel("news"))
            .await
            .unwrap(),
        Occupancy::default()
    );
    assert_eq!(
        b.roster
            .online(&two.ident, &[user("ann")])
            .await
            .unwrap()
            .online,
        [false]
    );
}
