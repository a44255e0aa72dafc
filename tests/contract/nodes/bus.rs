//! Bus: each case is a sentence of `core::ports::Bus`.

use std::sync::Arc;

use futures_util::future::join_all;
use pushi::core::model::{
    AppIdent, ChannelName, FurtherMembers, Mid, NewEvent, Payload, Position, PublishId,
    ServerEvent, SocketId, Timestamp, TokenHash, UserId,
};
use pushi::core::ports::BusMessage;

use super::{Meeting, Node};
use crate::samples::mid;

pub(super) fn app() -> AppIdent {
    AppIdent::trusted(
        &format!("app-{}", &mid().0[16..]).replace("0000", &std::process::id().to_string()),
    )
}

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 200).unwrap()
}

fn event(app: &AppIdent, channel: &ChannelName, data: &str) -> BusMessage {
    let event = NewEvent {
        app: app.clone(),
        mid: Mid("m".into()),
        channel: channel.clone(),
        owner_id: None,
        timestamp: Timestamp::from_micros(1),
        publish: None,
        payload: Payload {
            event: "e".into(),
            data: data.into(),
            extra: Default::default(),
        },
    };
    BusMessage::published(Arc::new(event), None, None)
}

async fn two(meeting: &impl Meeting) -> [Node; 2] {
    [meeting.node().await, meeting.node().await]
}

pub(super) async fn published_messages_arrive_everywhere_unchanged(meeting: &impl Meeting) {
    let (nodes, app, channel) = (two(meeting).await, app(), channel("c"));
    for node in &nodes {
        node.bus.watch(&app, &channel).await.unwrap();
    }
    let said = Arc::new(NewEvent {
        app: app.clone(),
        mid: Mid("ü\"".into()),
        channel: channel.clone(),
        owner_id: Some("1.2".into()),
        timestamp: Timestamp::from_micros(1_795_337_089_420_001),
        publish: Some(PublishId("p".into())),
        payload: Payload {
            event: "e".into(),
            data: "{\"x\":\"\\u0000\n😀\"}".into(),
            extra: FurtherMembers::trusted("\"y\":1"),
        },
    });
    let (at, but) = (
        Some(Position { id: 9, serial: 7 }),
        SocketId::parse("9007199254740991.3"),
    );
    let message = BusMessage::published(Arc::clone(&said), at, but);
    nodes[0].bus.publish(message).await.unwrap();
    for node in &nodes {
        node.sink
            .until(|heard| {
                heard.iter().find_map(|message| match message {
                    BusMessage::Broadcast {
                        event: ServerEvent::Published { event, position },
                        exclude,
                        ..
                    } => {
                        assert_eq!((event, *position, *exclude), (&said, at, but));
                        Some(())
                    }
                    _ => None,
                })
            })
            .await;
    }
}

pub(super) async fn the_order_of_a_channel_is_kept(meeting: &impl Meeting) {
    let (nodes, app, channel) = (two(meeting).await, app(), channel("c"));
    nodes[1].bus.watch(&app, &channel).await.unwrap();
    nodes[0].bus.watch(&app, &channel).await.unwrap();
    let expected: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    for data in &expected {
        nodes[0]
            .bus
            .publish(event(&app, &channel, data))
            .await
            .unwrap();
    }
    for node in &nodes {
        node.sink
            .until(|heard| (heard.len() >= expected.len()).then_some(()))
            .await;
        assert_eq!(node.sink.told(&channel), expected);
    }
}

pub(super) async fn a_channel_is_received_once_watch_returns(meeting: &impl Meeting) {
    let (nodes, app) = (two(meeting).await, app());
    for n in 0..100 {
        let channel = channel(&format!("c{n}"));
        nodes[1].bus.watch(&app, &channel).await.unwrap();
        nodes[0]
            .bus
            .publish(event(&app, &channel, "hello"))
            .await
            .unwrap();
        nodes[1].sink.until_told(&channel, &["hello"]).await;
    }
}

pub(super) async fn a_thousand_channels_are_watched_at_once(meeting: &impl Meeting) {
    let (nodes, app) = (two(meeting).await, app());
    let channels: Vec<ChannelName> = (0..1000).map(|n| channel(&format!("c{n}"))).collect();
    for watched in join_all(channels.iter().flat_map(|channel| {
        [
            nodes[1].bus.watch(&app, channel),
            nodes[1].bus.watch(&app, channel),
        ]
    }))
    .await
    {
        watched.unwrap();
    }
    for channel in &channels {
        nodes[0]
            .bus
            .publish(event(&app, channel, "hello"))
            .await
            .unwrap();
    }
    for channel in &channels {
        nodes[1].sink.until_told(channel, &["hello"]).await;
    }
}

pub(super) async fn unwatched_channels_are_not_received<M: Meeting>(meeting: &M) {
    let (nodes, app, watched, other) = (two(meeting).await, app(), channel("c"), channel("other"));
    nodes[1].bus.watch(&app, &watched).await.unwrap();
    nodes[0]
        .bus
        .publish(event(&app, &other, "unheard"))
        .await
        .unwrap();
    nodes[0]
        .bus
        .publish(event(&app, &watched, "heard"))
        .await
        .unwrap();
    nodes[1].sink.until_told(&watched, &["heard"]).await;
    assert_eq!(
        nodes[1].sink.told(&other).is_empty(),
        M::SEVERAL,
        "in process everything arrives"
    );
}

pub(super) async fn a_channel_is_received_again_after_unwatch(meeting: &impl Meeting) {
    let (nodes, app, channel) = (two(meeting).await, app(), channel("c"));
    for n in 0..50 {
        nodes[1].bus.watch(&app, &channel).await.unwrap();
        nodes[0]
            .bus
            .publish(event(&app, &channel, &n.to_string()))
            .await
            .unwrap();
        nodes[1]
            .sink
            .until(|heard| (heard.len() == n + 1).then_some(()))
            .await;
        nodes[1].bus.unwatch(&app, &channel);
    }
}

pub(super) async fn control_messages_reach_every_node(meeting: &impl Meeting) {
    let (nodes, app) = (two(meeting).await, app());
    let hash = TokenHash(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    nodes[0]
        .bus
        .publish(BusMessage::AppChanged(app.clone()))
        .await
        .unwrap();
    nodes[0]
        .bus
        .publish(BusMessage::SessionEnded(hash))
        .await
        .unwrap();
    for node in &nodes {
        node.sink
            .until(|heard| {
                let changed = heard
                    .iter()
                    .any(|message| matches!(message, BusMessage::AppChanged(of) if *of == app));
                let ended = heard
                    .iter()
                    .any(|message| matches!(message, BusMessage::SessionEnded(of) if *of == hash));
                (changed && ended).then_some(())
            })
            .await;
    }
}

pub(super) async fn user_changes_reach_the_nodes_of_the_personal_channel(meeting: &impl Meeting) {
    let (nodes, app, user) = (two(meeting).await, app(), UserId::parse("u1").unwrap());
    nodes[1]
        .bus
        .watch(&app, &ChannelName::personal_of(&user))
        .await
        .unwrap();
    nodes[0]
        .bus
        .publish(BusMessage::SubscriptionsChanged {
            app: app.clone(),
            user: user.clone(),
        })
        .await
        .unwrap();
    nodes[1]
        .sink
        .until(|heard| {
            let changed =
                |message: &BusMessage| matches!(message, BusMessage::SubscriptionsChanged { app: a, user: u } if (a, u) == (&app, &user));
            heard.iter().any(changed).then_some(())
        })
        .await;
}

pub(super) async fn peer_channels_are_watched_with_their_presence_channel(meeting: &impl Meeting) {
    let (nodes, app, peer) = (two(meeting).await, app(), channel("peer-room:a&b"));
    nodes[1]
        .bus
        .watch(&app, &channel("presence-room"))
        .await
        .unwrap();
    nodes[0]
        .bus
        .publish(event(&app, &peer, "one"))
        .await
        .unwrap();
    nodes[1].sink.until_told(&peer, &["one"]).await;
    nodes[0].bus.watch(&app, &peer).await.unwrap();
    nodes[1]
        .bus
        .publish(event(&app, &peer, "two"))
        .await
        .unwrap();
    nodes[0]
        .sink
        .until(|heard| (!heard.is_empty()).then_some(()))
        .await;
    nodes[1].sink.until_told(&peer, &["one", "two"]).await;
}
