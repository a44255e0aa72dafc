//! The hub: the connections of a node, and writing to them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use pushi::core::hub::{
    BatchWriter, BatchedWrite, Connection, ConnectionOrigin, DirectWriter, FlushBatch,
    FlushScheduler, Hub, MailboxItem, SubscribedVia,
};
use pushi::core::model::App;
use pushi::core::ports::{BusMessage, BusSink, DialectId};
use pushi::inbound::websocket::dialects;
use pushi::outbound::metrics::PrometheusMetrics;

use crate::roster::nodes::apps;
use crate::samples;

fn hub() -> Arc<Hub> {
    let metrics = Arc::new(PrometheusMetrics::new().unwrap());
    Arc::new(Hub::new(7, dialects(), metrics).with_flush_scheduler(Arc::new(InlineScheduler)))
}

fn connect(hub: &Arc<Hub>, app: &Arc<App>) -> Connection {
    let origin = ConnectionOrigin::default();
    hub.connect(app, DialectId::Pushi, (0, 0), 64 * 1024, origin)
        .unwrap()
}

/// Records each write into a socket that accepts a limited number of bytes.
#[derive(Debug)]
struct Wire {
    writes: Mutex<Vec<Vec<u8>>>,
    room: Mutex<Option<usize>>,
}

impl Wire {
    fn with_room(room: usize) -> Arc<Self> {
        Arc::new(Self {
            writes: Mutex::default(),
            room: Mutex::new(Some(room)),
        })
    }

    fn sizes(&self) -> Vec<usize> {
        self.writes.lock().iter().map(Vec::len).collect()
    }
}

impl DirectWriter for Wire {
    fn try_write(&self, bytes: &[u8]) -> Option<usize> {
        let mut room = self.room.lock();
        let left = room.as_mut()?;
        let taken = bytes.len().min(*left);
        *left -= taken;
        self.writes.lock().push(bytes[..taken].to_vec());
        Some(taken)
    }
}

struct InlineScheduler;

impl FlushScheduler for InlineScheduler {
    fn flush(&self, batch: FlushBatch) {
        batch.flush(self);
    }
}

impl BatchWriter for InlineScheduler {
    fn write(&self, writes: &mut [BatchedWrite<'_>]) {
        for write in writes {
            write.written = write.writer.try_write(write.bytes);
        }
    }
}

/// A connection on `room` whose task rests, and its wire.
async fn resting(room: usize) -> (Arc<Hub>, Arc<App>, Connection, Arc<Wire>) {
    let ([app], hub) = (apps(["a"]).await, hub());
    let connection = connect(&hub, &app);
    connection.subscribe(&samples::channel("room"), SubscribedVia::Client, None);
    let wire = Wire::with_room(room);
    connection.mailbox().set_writer(wire.clone());
    connection.mailbox().park();
    (hub, app, connection, wire)
}

fn say(hub: &Hub, app: &App, text: &str) {
    let event = Arc::new(samples::event(app, "room", text));
    hub.deliver(BusMessage::published(event, None, None));
}

/// What the connection's task finds: the lengths of what is left of frames, 0 for a whole one.
fn found(connection: &Connection) -> Vec<usize> {
    let mut taken = Vec::new();
    match connection.poll_take(&mut Context::from_waker(Waker::noop()), &mut taken) {
        Poll::Pending => Vec::new(),
        Poll::Ready(_) => taken
            .iter()
            .map(|parcel| match parcel {
                MailboxItem::PartialFrame(rest) => rest.len(),
                _ => 0,
            })
            .collect(),
    }
}

#[tokio::test]
async fn who_has_gone_takes_nobody_along() {
    let ([app], hub) = (apps(["a"]).await, hub());
    let first = connect(&hub, &app);
    first.disconnect();
    let second = connect(&hub, &app);
    second.subscribe(&samples::channel("room"), SubscribedVia::Client, None);
    drop(first);
    let found = hub
        .app(&app.ident)
        .and_then(|of_app| of_app.socket(second.id()));
    assert_eq!(
        found.map(|socket| socket.channels),
        Some(vec![samples::channel("room")])
    );
}

#[tokio::test]
async fn for_a_resting_connection_others_write() {
    let (hub, app, connection, wire) = resting(10_000).await;
    say(&hub, &app, "one");
    say(&hub, &app, "two");
    assert_eq!(wire.sizes().len(), 2);
    assert_eq!(connection.mailbox().pending_bytes(), 0);
    assert!(found(&connection).is_empty());
}

#[tokio::test]
async fn what_one_turn_says_is_one_write() {
    let (hub, app, _connection, wire) = resting(10_000).await;
    let talk = pin!(async {
        say(&hub, &app, "one");
        say(&hub, &app, "two");
    });
    let mut talk = hub.cork(talk);
    poll_fn(|cx| std::pin::Pin::new(&mut talk).poll(cx)).await;
    let text = String::from_utf8_lossy(&wire.writes.lock().concat()).into_owned();
    assert_eq!(wire.sizes().len(), 1);
    assert!(
        text.find("one").unwrap() < text.find("two").unwrap(),
        "{text}"
    );
}

#[tokio::test]
async fn what_the_socket_does_not_take_is_left_to_the_task() {
    let (hub, app, connection, wire) = resting(10).await;
    say(&hub, &app, "one");
    say(&hub, &app, "two");
    assert_eq!(wire.sizes(), [10]);
    let waiting = connection.mailbox().pending_bytes();
    let left = found(&connection);
    assert_eq!((left.len(), left.get(1)), (2, Some(&0)));
    assert_eq!(waiting, 2 * (left[0] + 10) - 10);
}

#[tokio::test]
async fn a_full_socket_leaves_whole_frames() {
    let (hub, app, connection, wire) = resting(0).await;
    say(&hub, &app, "one");
    say(&hub, &app, "two");
    assert_eq!(wire.writes.lock().concat(), b"");
    assert_eq!(found(&connection), [0, 0]);
}

#[tokio::test]
async fn a_broken_socket_is_left_to_the_task() {
    let (hub, app, connection, wire) = resting(0).await;
    *wire.room.lock() = None;
    say(&hub, &app, "one");
    assert_eq!(found(&connection), [0]);
}

#[tokio::test]
async fn nobody_writes_past_what_waits_or_for_a_task_that_is_awake() {
    let (hub, app, connection, wire) = resting(10_000).await;
    connection.mailbox().push(MailboxItem::LimitChanged);
    say(&hub, &app, "one");
    assert_eq!(found(&connection), [0, 0]);
    connection.mailbox().park();
    connection.mailbox().unpark();
    say(&hub, &app, "two");
    assert_eq!(wire.sizes(), Vec::<usize>::new());
    assert_eq!(found(&connection), [0]);
}
