//! Clients subscribe and unsubscribe during publishes: each receives every serial once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pushi_test_support::{Client, ServerSetup, TestEnv, TestServer, publishing};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// More events than a publisher is ahead of who reads most.
const AHEAD: u64 = 300;

fn unbounded(setup: &mut ServerSetup) {
    setup.rules.limits.replay = 0;
}

/// Keeps publishers near their readers.
#[derive(Default)]
struct Pace {
    over: AtomicBool,
    published: AtomicU64,
    read: AtomicU64,
}

impl Pace {
    /// Records how many events have been read.
    fn read(&self, count: u64) {
        self.read.fetch_max(count, Ordering::Relaxed);
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Publishes until the end. Answers how many there were.
fn publisher(
    server: &TestServer<'_>,
    channels: &'static [&'static str],
    pace: &Arc<Pace>,
) -> JoinHandle<u64> {
    let (service, app, pace) = (
        Arc::clone(&server.service),
        Arc::clone(&server.app),
        Arc::clone(pace),
    );
    tokio::spawn(async move {
        let mut count = 0;
        while !pace.over.load(Ordering::Relaxed) {
            if pace.published.load(Ordering::Relaxed) > pace.read.load(Ordering::Relaxed) + AHEAD {
                tokio::task::yield_now().await;
                continue;
            }
            pace.published
                .fetch_add(channels.len() as u64, Ordering::Relaxed);
            service
                .publish(
                    &app,
                    publishing(channels, "message", &count.to_string(), true),
                )
                .await
                .unwrap();
            count += 1;
        }
        count
    })
}

/// Takes what an answer brings of a channel; it must begin where `last` left off.
fn take(state: &Value, channel: &str, last: &mut u64) {
    for event in state["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["channel"] == channel)
    {
        assert_eq!(
            event["serial"],
            *last + 1,
            "a gap or a double in the answer"
        );
        *last += 1;
    }
}

/// Repeatedly subscribes, receives some live events and unsubscribes.
async fn come_and_go(client: &mut Client, channel: &str, rounds: u32, pace: &Pace) {
    let mut last = 0;
    for round in 0..rounds {
        let state = client.subscribe_with(channel, json!({"since": last})).await;
        assert_eq!(state["recovered"], true);
        take(&state, channel, &mut last);
        assert_eq!(state["serial"], last);
        for _ in 0..round % 4 * 3 {
            pace.read(last);
            let frame = client.expect("message").await;
            assert_eq!(
                frame.serial(),
                last + 1,
                "a gap or a double in what is live"
            );
            last += 1;
        }
        client
            .send(json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}))
            .await;
        loop {
            let frame = client.next().await;
            if frame.event() == "pusher_internal:unsubscription_succeeded" {
                break;
            }
            assert_eq!(
                frame.serial(),
                last + 1,
                "a gap or a double before the leaving"
            );
            last += 1;
        }
        pace.read(last);
    }
}

pub(crate) async fn subscribers_see_every_serial_once(env: &TestEnv) {
    let server = env.server_with(unbounded).await;
    let pace = Arc::new(Pace::default());
    let publishers: Vec<_> = (0..2).map(|_| publisher(&server, &["c"], &pace)).collect();
    let mut clients: [Client; 4] = server.clients().await;
    futures_util::future::join_all(
        clients
            .iter_mut()
            .map(|client| come_and_go(client, "c", 40, &pace)),
    )
    .await;
    pace.end();
    let mut total = 0;
    for publisher in publishers {
        total += publisher.await.unwrap();
    }
    // On a fast machine they are more than fit in one answer.
    let mut last = 0;
    loop {
        let page = json!({"since": last, "paging": true});
        let state = clients[0].subscribe_with("c", page).await;
        take(&state, "c", &mut last);
        assert_eq!(
            (&state["recovered"], &state["serial"]),
            (&json!(true), &json!(last))
        );
        if state["more"] != true {
            break;
        }
    }
    assert_eq!(last, total);
}

pub(crate) async fn a_personal_channel_sees_every_serial_of_its_aliases_once(env: &TestEnv) {
    let server = env.server_with(unbounded).await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    let pace = Arc::new(Pace::default());
    let publishers = [
        publisher(&server, &["a"], &pace),
        publisher(&server, &["b", "personal-ann"], &pace),
    ];
    let mut client = server.client().await;
    let names = ["personal-ann", "a", "b"];
    let mut last = [0_u64; 3];
    for _ in 0..40 {
        let since = json!({"personal-ann": last[0], "a": last[1], "b": last[2]});
        let state = client
            .subscribe_with("personal-ann", json!({"since": since}))
            .await;
        assert_eq!(state["recovered"], true);
        let ids: Vec<u64> = state["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_u64().unwrap())
            .collect();
        assert!(ids.is_sorted(), "oldest first over all channels");
        for (name, last) in names.iter().zip(&mut last) {
            take(&state, name, last);
        }
        assert_eq!(state["serial"], last[0]);
        client
            .send(json!({"event": "pusher:unsubscribe", "data": {"channel": "personal-ann"}}))
            .await;
        loop {
            let frame = client.next().await;
            if frame.event() == "pusher_internal:unsubscription_succeeded" {
                break;
            }
            let index = names
                .iter()
                .position(|name| *name == frame.channel())
                .unwrap();
            assert_eq!(
                frame.serial(),
                last[index] + 1,
                "a gap or a double on {}",
                names[index]
            );
            last[index] += 1;
        }
        pace.read(last.iter().sum());
    }
    pace.end();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

pub(crate) async fn going_on_without_leaving_has_no_gap_either(env: &TestEnv) {
    let server = env.server_with(unbounded).await;
    let pace = Arc::new(Pace::default());
    let publisher = publisher(&server, &["c"], &pace);
    let mut client = server.client().await;
    let mut last = 0;
    for _ in 0..60 {
        client.send_subscribe("c", json!({"since": last})).await;
        // Live events of the previous subscription may arrive before the answer, which begins at `since`.
        let asked = last;
        let mut live = asked;
        let state = loop {
            let frame = client.next().await;
            if frame.event() == "pusher_internal:subscription_succeeded" {
                break frame.inner();
            }
            assert_eq!(frame.serial(), live + 1);
            live += 1;
        };
        last = asked;
        take(&state, "c", &mut last);
        assert!(last >= live);
        for _ in 0..5 {
            pace.read(last);
            assert_eq!(client.expect("message").await.serial(), last + 1);
            last += 1;
        }
    }
    pace.end();
    publisher.await.unwrap();
}

pub(crate) async fn no_event_before_subscribed_or_after_unsubscribed(env: &TestEnv) {
    let server = env.server_with(unbounded).await;
    let pace = Arc::new(Pace::default());
    let publisher = publisher(&server, &["c"], &pace);
    let mut client = server.client().await;
    for _ in 0..100 {
        client.subscribe("c").await;
        client
            .send(json!({"event": "pusher:unsubscribe", "data": {"channel": "c"}}))
            .await;
        while client.next().await.event() != "pusher_internal:unsubscription_succeeded" {}
        client.expect_nothing().await;
        pace.read(pace.published.load(Ordering::Relaxed));
    }
    pace.end();
    publisher.await.unwrap();
}
