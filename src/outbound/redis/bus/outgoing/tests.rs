use super::*;
use crate::core::model::{ChannelName, Mid, NewEvent, Payload, Position, ServerEvent, Timestamp};
use crate::outbound::metrics::PrometheusMetrics;

/// Records the data of what is delivered.
#[derive(Default)]
struct Sink(Mutex<Vec<String>>);

impl BusSink for Sink {
    fn deliver(&self, message: BusMessage) {
        self.0.lock().push(data(&message));
    }

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        true
    }

    fn resumed(&self) {}
}

impl Sink {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

fn data(message: &BusMessage) -> String {
    match message {
        BusMessage::Broadcast {
            event: ServerEvent::Published { event, .. },
            ..
        } => event.payload.data[..4].to_owned(),
        _ => String::new(),
    }
}

fn queue(app: usize) -> OutgoingQueue {
    let metrics = Arc::new(PrometheusMetrics::new().unwrap());
    OutgoingQueue::new(QueueBounds { app, all: 10 * app }, metrics)
}

/// Publishes an event with `bytes` bytes of data that begins with four digits; `serial` 0: not persisted.
fn publish(
    queue: &OutgoingQueue,
    sink: &Sink,
    app: &str,
    serial: u64,
    number: usize,
    bytes: usize,
) {
    let event = NewEvent {
        app: AppIdent::trusted(app),
        mid: Mid("m".into()),
        channel: ChannelName::trusted("c"),
        owner_id: None,
        timestamp: Timestamp::default(),
        publish: None,
        payload: Payload {
            event: "e".into(),
            data: format!("{number:04}{}", "x".repeat(bytes)).into(),
            extra: Default::default(),
        },
    };
    let position = (serial > 0).then_some(Position { id: serial, serial });
    let message = BusMessage::published(Arc::new(event), position, None);
    queue.publish(message, format!("topic-{app}"), true, sink);
}

async fn batch(queue: &OutgoingQueue) -> Vec<(u64, String)> {
    let batch = queue.next_batch(|_| 0).await;
    let entry = |entry: &OutgoingEntry| match &entry.item {
        OutgoingItem::Message(message) => (entry.sequence, data(message)),
        OutgoingItem::Echo => (entry.sequence, "echo".to_owned()),
    };
    batch.iter().map(entry).collect()
}

#[tokio::test]
async fn an_app_waits_for_one_batch_of_another_one() {
    let (queue, sink) = (queue(usize::MAX / 10), Sink::default());
    queue.connected();
    for number in 0..100 {
        publish(&queue, &sink, "flood", 0, number, 200_000);
    }
    let first = batch(&queue).await;
    assert!(first.len() <= 6, "{}", first.len());
    publish(&queue, &sink, "small", 0, 9999, 1);
    let second = batch(&queue).await;
    assert_eq!(second[0], (first.len() as u64, "9999".to_owned()));
    // Returned in the order of sending.
    for (sequence, data) in first.iter().chain(&second) {
        let (message, _) = queue.returned(*sequence, 0).unwrap();
        assert_eq!(self::data(&message), *data);
    }
}

#[tokio::test]
async fn an_app_above_its_bound_is_full_until_its_messages_are_sent() {
    let (queue, sink) = (queue(10_000), Sink::default());
    queue.connected();
    let [a, b] = ["a", "b"].map(AppIdent::trusted);
    for number in 0..10 {
        assert!(!queue.is_full(&a));
        publish(&queue, &sink, "a", 0, number, 600);
    }
    assert!(queue.is_full(&a) && !queue.is_full(&b));
    let sent = batch(&queue).await;
    assert!(!queue.is_full(&a) && queue.bytes() > 0);
    for (sequence, _) in sent {
        queue.returned(sequence, 0);
    }
    queue.acknowledge();
    assert!(queue.bytes() == 0 && queue.is_empty());
}

#[tokio::test]
async fn messages_are_delivered_once_and_in_order_over_an_outage() {
    let (queue, sink) = (queue(100_000), Sink::default());
    queue.connected();
    for number in 0..3 {
        publish(&queue, &sink, "a", number + 1, number as usize, 1);
    }
    let sent = batch(&queue).await;
    assert_eq!(sent.len(), 3);
    queue.returned(0, 0).unwrap();
    publish(&queue, &sink, "a", 4, 3, 1);
    assert_eq!(queue.disconnected(&sink).len(), 3);
    publish(&queue, &sink, "a", 5, 4, 1);
    assert_eq!(sink.take(), ["0001", "0002", "0003", "0004"]);
    queue.connected();
    let expected: Vec<(u64, String)> = (0..5)
        .map(|number| (number, format!("{number:04}")))
        .collect();
    let again = batch(&queue).await;
    assert_eq!(again, expected, "unacknowledged ones with their numbers");
    for (sequence, _) in again {
        assert!(queue.returned(sequence, 0).is_none(), "{sequence}");
    }
    assert_eq!(sink.take(), [""; 0]);
}

#[tokio::test]
async fn during_an_outage_the_oldest_messages_of_the_app_make_space() {
    let (queue, sink) = (queue(10_000), Sink::default());
    for number in 0..30 {
        publish(&queue, &sink, "a", number + 1, number as usize, 600);
    }
    publish(&queue, &sink, "b", 0, 9999, 1);
    assert_eq!(sink.take().len(), 31, "delivered to this node");
    assert!(queue.bytes() <= 11_000);
    queue.connected();
    let sent: Vec<String> = batch(&queue)
        .await
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    // The newest one that was dropped, so that receivers know of the gap.
    assert_eq!(sent.first().map(String::as_str), Some("0020"), "{sent:?}");
    assert!(sent.contains(&"0029".to_owned()) && sent.contains(&"9999".to_owned()));
}
