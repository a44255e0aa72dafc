//! Batched member changes on large presence channels: they keep their order with all other events.

use std::sync::Arc;
use std::task::{Context, Waker};

use pushi::core::hub::{Connection, ConnectionOrigin, Hub, MailboxItem, SubscribedVia};
use pushi::core::model::{App, Member, ServerEvent, SocketId};
use pushi::core::ports::{BusMessage, BusSink, DialectId};
use pushi::inbound::websocket::dialects;
use pushi::outbound::metrics::PrometheusMetrics;

use crate::roster::nodes::apps;
use crate::samples::{self, channel};

const ROOM: &str = "presence-room";

/// The number of connections above which changes are batched.
const BATCH_THRESHOLD: usize = 64;

/// Connections on the channel, the last one of the other dialect.
async fn room(count: usize) -> (Arc<Hub>, Arc<App>, Vec<Connection>) {
    let ([app], hub) = (
        apps(["a"]).await,
        Arc::new(Hub::new(
            7,
            dialects(),
            Arc::new(PrometheusMetrics::new().unwrap()),
        )),
    );
    let connect = |number: usize| {
        let dialect = if number + 1 == count {
            DialectId::Pusher
        } else {
            DialectId::Pushi
        };
        let connection = hub
            .connect(
                &app,
                dialect,
                (0, 0),
                64 * 1024,
                ConnectionOrigin::default(),
            )
            .unwrap();
        connection.subscribe(&channel(ROOM), SubscribedVia::Client, None);
        connection
    };
    let connections = (0..count).map(connect).collect();
    (hub, app, connections)
}

fn member(name: &str) -> Member {
    Member {
        user_id: samples::user(name),
        data: format!("{{\"user_id\":\"{name}\"}}").into(),
        peer: false,
    }
}

fn came(app: &App, name: &str, version: u64) -> BusMessage {
    let socket = SocketId {
        process: 1,
        counter: version,
    };
    BusMessage::Broadcast {
        app: app.ident.clone(),
        event: ServerEvent::MemberAdded {
            channel: channel(ROOM),
            member: member(name),
        },
        exclude: Some(socket),
        version: Some(version),
    }
}

fn went(app: &App, name: &str, version: u64) -> BusMessage {
    let socket = SocketId {
        process: 1,
        counter: version,
    };
    BusMessage::Broadcast {
        app: app.ident.clone(),
        event: ServerEvent::MemberRemoved {
            channel: channel(ROOM),
            member: member(name),
        },
        exclude: Some(socket),
        version: Some(version),
    }
}

fn event(app: &App, on: &str, text: &str) -> BusMessage {
    BusMessage::published(Arc::new(samples::event(app, on, text)), None, None)
}

/// What waits for a connection: the texts of its parcels.
fn waiting(connection: &Connection) -> Vec<String> {
    let mut taken = Vec::new();
    let _ = connection.poll_take(&mut Context::from_waker(Waker::noop()), &mut taken);
    let text = |parcel: &MailboxItem| match parcel {
        MailboxItem::Broadcast(delivery) => {
            String::from_utf8_lossy(delivery.frame(connection.mailbox().dialect()).unwrap())
                .into_owned()
        }
        other => format!("{other:?}"),
    };
    taken.iter().map(text).collect()
}

/// A text has these, one behind the other.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let place = rest.find(part);
        assert!(place.is_some(), "no {part} in the rest of {text}");
        rest = &rest[place.unwrap() + part.len()..];
    }
}

#[tokio::test]
async fn few_are_told_at_once() {
    let (hub, app, connections) = room(BATCH_THRESHOLD).await;
    hub.deliver(came(&app, "ann", 1));
    for connection in &connections {
        assert_in_order(&waiting(connection).concat(), &["member_added", "ann"]);
    }
    assert_eq!(hub.flush_member_changes(), 0);
}

#[tokio::test]
async fn many_are_told_together() {
    let (hub, app, connections) = room(BATCH_THRESHOLD + 1).await;
    for (version, name) in (1..).zip(["ann", "bo"]) {
        hub.deliver(came(&app, name, version));
    }
    hub.deliver(went(&app, "ann", 3));
    assert!(waiting(&connections[0]).is_empty(), "not yet");
    assert!(
        hub.poll_member_changes(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    assert!(
        hub.poll_member_changes(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert_eq!(hub.flush_member_changes(), BATCH_THRESHOLD as u64 + 1);
    for connection in &connections {
        let told = waiting(connection);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_in_order(
            &told[0],
            &[
                "member_added",
                "ann",
                "member_added",
                "bo",
                "member_removed",
            ],
        );
    }
    hub.deliver(came(&app, "cy", 4));
    assert!(waiting(&connections[0]).is_empty(), "the next gather anew");
    hub.flush_member_changes();
    assert_eq!(waiting(&connections[0]).len(), 1);
}

#[tokio::test]
async fn an_event_does_not_overtake_who_came() {
    let (hub, app, connections) = room(BATCH_THRESHOLD + 1).await;
    hub.deliver(came(&app, "ann", 1));
    hub.deliver(event(&app, ROOM, "ann says"));
    assert_in_order(
        &waiting(&connections[0]).concat(),
        &["member_added", "ann says"],
    );
    hub.deliver(event(&app, ROOM, "more"));
    assert_in_order(&waiting(&connections[0]).concat(), &["more"]);
    // On a peer channel neither: its users are on this one.
    hub.deliver(came(&app, "bo", 2));
    hub.deliver(event(&app, "peer-room:ann&bo", "bo says"));
    assert_in_order(&waiting(&connections[0]).concat(), &["member_added", "bo"]);
    hub.deliver(came(&app, "cy", 3));
    hub.deliver(event(&app, "elsewhere", "x"));
    assert!(
        waiting(&connections[0]).is_empty(),
        "other channels have nothing to do with it"
    );
    assert_eq!(hub.flush_member_changes(), BATCH_THRESHOLD as u64 + 1);
}

#[tokio::test]
async fn what_gathers_for_who_have_left_is_told_to_nobody() {
    let (hub, app, connections) = room(BATCH_THRESHOLD + 1).await;
    hub.deliver(came(&app, "ann", 1));
    drop(connections);
    assert_eq!(hub.flush_member_changes(), 0);
    assert_eq!(hub.flush_member_changes(), 0);
}
