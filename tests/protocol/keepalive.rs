//! Pings, and idle connections, on a paused clock.

use std::time::Duration;

use pushi_test_support::{Client, TestEnv, TestServer};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;

async fn server(env: &TestEnv, activity: u64, idle: u64) -> TestServer<'_> {
    env.server_with(|setup| {
        setup.timing.activity = Duration::from_secs(activity);
        setup.timing.idle = Duration::from_secs(idle);
    })
    .await
}

/// The next message, and the seconds until it arrived.
async fn after(client: &mut Client, since: Instant) -> (Message, u64) {
    let message = client.next_message_unbounded().await;
    (message, since.elapsed().as_secs())
}

pub(crate) async fn a_silent_client_is_pinged(env: &TestEnv) {
    let server = server(env, 10, 0).await;
    let mut client = server.client().await;
    let since = Instant::now();
    for seconds in [10, 20, 30] {
        // Reading the ping answers it.
        let (message, came) = after(&mut client, since).await;
        assert!(matches!(message, Message::Ping(_)), "{message:?}");
        assert!(
            (seconds - 1..=seconds + 2).contains(&came),
            "after {came} s"
        );
    }
    client.expect_nothing().await;
}

pub(crate) async fn an_active_client_is_not_pinged(env: &TestEnv) {
    let server = server(env, 10, 0).await;
    let mut client = server.client().await;
    let since = Instant::now();
    for seconds in [7, 14, 21, 28] {
        sleep_until(since + Duration::from_secs(seconds)).await;
        match seconds {
            7 => client.send_message(Message::Ping(Default::default())).await,
            14 => client.send_message(Message::Pong(Default::default())).await,
            _ => client.send(json!({"event": "pusher:ping"})).await,
        }
    }
    let mut answers = 0;
    loop {
        let (message, came) = after(&mut client, since).await;
        match message {
            Message::Ping(_) => {
                assert!((37..=40).contains(&came), "after {came} s");
                break;
            }
            _ => answers += 1,
        }
    }
    assert_eq!(answers, 3);
}

pub(crate) async fn outgoing_frames_do_not_count_as_activity(env: &TestEnv) {
    let server = server(env, 10, 0).await;
    let mut client = server.subscribed("c").await;
    let since = Instant::now();
    for seconds in 1..10 {
        sleep_until(since + Duration::from_secs(seconds)).await;
        server.publish_transient("c", "hello").await;
        client.expect("call").await;
    }
    let (message, _) = after(&mut client, since).await;
    assert!(matches!(message, Message::Ping(_)), "{message:?}");
}

pub(crate) async fn an_unanswered_ping_closes_with_4201(env: &TestEnv) {
    let server = server(env, 10, 0).await;
    let [mut dead, mut watcher] = server.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    dead.join("presence-a", json!({"user_id": "dead"})).await;
    watcher.expect("pusher:member_added").await;
    let since = Instant::now();
    // The watcher lives: whatever it reads, it answers. The other one does not read.
    let removed = loop {
        if let (Message::Text(text), seconds) = after(&mut watcher, since).await {
            assert!(text.contains("pusher:member_removed"), "{text}");
            break seconds;
        }
    };
    assert!((39..=43).contains(&removed), "after {removed} s");
    let (message, _) = after(&mut dead, since).await;
    assert!(matches!(message, Message::Ping(_)), "{message:?}");
    dead.expect_rejection(4201).await;
    watcher.expect_nothing().await;
}

pub(crate) async fn an_idle_connection_is_closed_with_4202(env: &TestEnv) {
    let server = server(env, 120, 20).await;
    let mut client = server.subscribed("c").await;
    let since = Instant::now();
    sleep_until(since + Duration::from_secs(15)).await;
    server.publish_transient("c", "hello").await;
    client.expect("call").await;
    sleep_until(since + Duration::from_secs(30)).await;
    client.subscribe("d").await;
    sleep_until(since + Duration::from_secs(40)).await;
    // A ping does not count.
    client.expect_nothing().await;
    let (message, came) = after(&mut client, since).await;
    assert!(
        matches!(&message, Message::Text(text) if text.contains("4202")),
        "{message:?}"
    );
    assert!((49..=52).contains(&came), "after {came} s");
    assert_eq!(client.expect_close().await, 4202);
}

pub(crate) async fn pings_do_not_prevent_idle_closing(env: &TestEnv) {
    let server = server(env, 5, 22).await;
    let mut client = server.client().await;
    let since = Instant::now();
    let came = loop {
        match after(&mut client, since).await {
            (Message::Ping(_), _) => {}
            (Message::Text(text), came) => {
                assert!(text.contains("4202"), "{text}");
                break came;
            }
            (other, _) => panic!("{other:?}"),
        }
    };
    assert!((21..=24).contains(&came), "after {came} s");
    assert_eq!(client.expect_close().await, 4202);
}

pub(crate) async fn by_default_no_connection_is_idle(env: &TestEnv) {
    let server = server(env, 120, 0).await;
    let mut client = server.client().await;
    let since = Instant::now();
    for _ in 0..30 {
        let (message, _) = after(&mut client, since).await;
        assert!(matches!(message, Message::Ping(_)), "{message:?}");
    }
    assert!(since.elapsed() > Duration::from_secs(3500));
    client.expect_nothing().await;
}
