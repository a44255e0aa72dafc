//! One order per channel, whatever the order of arrival.

mod fixture;

use std::time::Duration;

use pushi::core::model::{Mid, Position, ServerEvent, SocketId, Timestamp};
use pushi::core::ports::{Bus, BusMessage, BusSink};
use pushi::outbound::storage::memory;
use pushi::outbound::storage::sql::sqlite::{self, SqliteOptions};
use pushi_test_support::{Fault, FaultyStore};
use tokio::time::{Instant, advance, pause, sleep};

use self::fixture::OrderFixture;

#[tokio::test(start_paused = true)]
async fn early_arrivals_wait_without_backfill() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    let (one, two) = (fixture.store("c").await, fixture.store("c").await);
    fixture.order.deliver(two);
    sleep(Duration::from_millis(190)).await;
    assert_eq!(fixture.sink.serials(), [0; 0]);
    fixture.order.deliver(one);
    assert_eq!(fixture.sink.serials(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_backfilled_after_a_delay() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    let one = fixture.store("c").await;
    fixture.store("c").await;
    let three = fixture.store("c").await;
    let begun = Instant::now();
    fixture.order.deliver(three);
    fixture.until(&[1, 2, 3]).await;
    assert!(
        (200..300).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    fixture.order.deliver(one);
    assert_eq!(
        fixture.sink.serials(),
        [1, 2, 3],
        "what comes late after all is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn events_before_the_watch_are_not_delivered() {
    let fixture = OrderFixture::new().await;
    let old = fixture.store("c").await;
    fixture.watch("c").await;
    let new = fixture.store("c").await;
    fixture.order.deliver(old);
    fixture.order.deliver(new);
    assert_eq!(fixture.sink.serials(), [2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_before_the_head_can_be_read_is_delivered() {
    let mut stores = memory::open();
    let faulty = FaultyStore::over(&stores);
    stores.events = faulty.clone();
    let fixture = OrderFixture::over(stores).await;
    let old = Timestamp::from_seconds(900.0);
    for _ in 0..2 {
        fixture.stored_at("c", old).await;
    }
    faulty.read.set(Fault::Unavailable);
    fixture.watch("c").await;
    faulty.read.set(Fault::None);
    // The node that stored them could not send the first one.
    fixture.store("c").await;
    let four = fixture.store("c").await;
    fixture.order.deliver(four);
    assert_eq!(fixture.sink.serials(), [0; 0]);
    fixture.until(&[3, 4]).await;
    let five = fixture.store("c").await;
    fixture.order.deliver(five);
    assert_eq!(fixture.sink.serials(), [3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn pruned_events_are_given_up() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    for _ in 0..3 {
        fixture.store("c").await;
    }
    let last = fixture.store("c").await;
    let pruning = pushi::core::ports::Pruning {
        before: None,
        keep: Some(2),
    };
    fixture.stores.events.prune(pruning, 100).await.unwrap();
    fixture.order.deliver(last);
    fixture.until(&[3, 4]).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_every_watched_channel_gets_what_it_missed() {
    let fixture = OrderFixture::new().await;
    let channels: Vec<String> = (0..1200).map(|n| format!("c{n}")).collect();
    for channel in &channels {
        fixture.watch(channel).await;
    }
    for channel in &channels {
        fixture.store(channel).await;
    }
    for _ in 0..2500 {
        fixture.store("c7").await;
    }
    fixture.order.resumed();
    let begun = Instant::now();
    while fixture.sink.received.lock().len() < 1200 + 2500 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(1)).await;
    }
    let received = fixture.sink.received.lock().clone();
    let of_one: Vec<u64> = received
        .iter()
        .filter(|(channel, _)| channel == "c7")
        .map(|(_, serial)| *serial)
        .collect();
    assert_eq!(of_one, (1..=2501).collect::<Vec<u64>>());
    assert!(
        channels
            .iter()
            .all(|channel| received.contains(&(channel.clone(), 1)))
    );
}

#[tokio::test]
async fn a_store_outage_does_not_block_delivery() {
    let options = SqliteOptions {
        path: None,
        timeout: Duration::from_secs(30),
        readers: 1,
    };
    let fixture = OrderFixture::over(sqlite::open(options).await.unwrap()).await;
    fixture.watch("other").await;
    let message = fixture.store("other").await;
    let one = fixture.store("c").await;
    fixture.stores.database.close().await;
    pause();
    fixture.watch("c").await;
    fixture.order.deliver(one);
    assert_eq!(fixture.sink.serials(), [1], "the first ever misses nothing");
    let BusMessage::Broadcast {
        event: ServerEvent::Published { event, .. },
        ..
    } = message
    else {
        panic!()
    };
    let unpersisted = BusMessage::published(event.clone(), None, None);
    let early = BusMessage::published(event, Some(Position { id: 9, serial: 9 }), None);
    fixture.order.deliver(unpersisted);
    fixture.order.deliver(early);
    assert_eq!(fixture.sink.serials(), [1, 0]);
    sleep(Duration::from_secs(9)).await;
    assert_eq!(
        fixture.sink.serials(),
        [1, 0],
        "it is asked for again and again"
    );
    fixture.until(&[1, 0, 9]).await;
}

#[tokio::test(start_paused = true)]
async fn an_unwanted_channel_is_unwatched_after_a_delay() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(*fixture.bus.0.lock(), ["+c"]);
    *fixture.sink.wanted.lock() = false;
    advance(Duration::from_millis(1100)).await;
    assert_eq!(
        *fixture.bus.0.lock(),
        ["+c"],
        "who comes back at once finds it still watched"
    );
    let begun = Instant::now();
    while *fixture.bus.0.lock() != ["+c", "-c"] {
        assert!(begun.elapsed() < Duration::from_secs(3));
        sleep(Duration::from_millis(10)).await;
    }
    fixture.watch("c").await;
    assert_eq!(*fixture.bus.0.lock(), ["+c", "-c", "+c"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_channel_waits_only_for_recent_events() {
    let fixture = OrderFixture::new().await;
    let at = Timestamp::from_seconds;
    let send = |(event, position)| {
        fixture
            .order
            .deliver(BusMessage::published(event, Some(position), None))
    };
    fixture.stored_at("peer-a:u1&u2", at(1000.0)).await;
    send(fixture.stored_at("peer-a:u1&u2", at(1003.0)).await);
    let begun = Instant::now();
    fixture.until(&[2]).await;
    assert!(
        begun.elapsed() < Duration::from_millis(50),
        "the one before is long gone"
    );

    let first = fixture.stored_at("peer-b:u1&u2", at(1000.0)).await;
    let second = fixture.stored_at("peer-b:u1&u2", at(1001.0)).await;
    send(second);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.sink.serials(), [2], "the one before may be late");
    send(first);
    fixture.until(&[2, 1, 2]).await;
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn backfill_respects_the_exclusion() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    let socket = SocketId {
        process: 1,
        counter: 2,
    };
    // It is read before the node that stored it has published it.
    fixture.order.exclude(&Mid("c 0".into()), socket);
    fixture.store("c").await;
    fixture.store("c").await;
    fixture.order.resumed();
    fixture.until(&[1, 2]).await;
    assert_eq!(*fixture.sink.excepts.lock(), [Some(socket), None]);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_new_peer_channels_get_what_they_missed_and_no_more() {
    let fixture = OrderFixture::new().await;
    fixture.watch("presence-a").await;
    let old = Timestamp::from_seconds(900.0);
    fixture.stored_at("peer-a:u1&u2", old).await;
    fixture.stored_at("peer-a:u1&u3", old).await;
    fixture
        .stored_at("peer-a:u1&u3", Timestamp::from_seconds(1001.0))
        .await;
    fixture
        .stored_at("peer-a:u1&u3", Timestamp::from_seconds(1001.0))
        .await;
    fixture.order.resumed();
    fixture.until(&[2, 3]).await;
    assert!(
        fixture
            .sink
            .received
            .lock()
            .iter()
            .all(|(channel, _)| channel == "peer-a:u1&u3")
    );
}

/// Waits for the serials and returns how long that took.
async fn waited(fixture: &OrderFixture, serials: &[u64]) -> Duration {
    let begun = Instant::now();
    fixture.until(serials).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_peer_channel_gets_what_a_lost_node_could_not_send() {
    let fixture = OrderFixture::new().await;
    let before = Timestamp::from_seconds(999.0);
    fixture.stored_at("peer-a:u1&u2", before).await;
    fixture.watch("presence-a").await;
    // More than a page of other events follows.
    fixture.store("peer-a:u1&u3").await;
    for _ in 0..1100 {
        fixture.store("other").await;
    }
    // Its loss is noticed when its lease has ended.
    sleep(Duration::from_secs(12)).await;
    fixture.order.deliver(BusMessage::NodeGone);
    fixture.until(&[1]).await;
    // No more, and not again.
    sleep(Duration::from_secs(300)).await;
    let received = fixture.sink.received.lock().clone();
    assert_eq!(received, [("peer-a:u1&u3".to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_node_stores_after_its_loss_arrives() {
    let fixture = OrderFixture::new().await;
    fixture.watch("c").await;
    fixture.watch("presence-a").await;
    fixture.order.deliver(BusMessage::NodeGone);
    sleep(Duration::from_secs(100)).await;
    // It was cut off, but alive.
    fixture.store("c").await;
    assert!(waited(&fixture, &[1]).await < Duration::from_secs(20));
    fixture.store("peer-a:u1&u2").await;
    assert!(waited(&fixture, &[1, 1]).await < Duration::from_secs(20));
    fixture.store("c").await;
    fixture.store("peer-a:u1&u2").await;
    assert!(waited(&fixture, &[1, 1, 2, 2]).await < Duration::from_secs(20));
    // Not for ever.
    sleep(Duration::from_secs(600)).await;
    fixture.store("c").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fixture.sink.serials(), [1, 1, 2, 2]);
}
