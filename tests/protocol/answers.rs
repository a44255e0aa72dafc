//! The bounds of answers: in bytes, in pages, and until they are read.

use std::collections::BTreeMap;

use pushi::core::model::NewApp;
use pushi_test_support::{Client, TestEnv, TestServer, event_texts, serials};
use serde_json::{Value, json};

/// The bytes of the events of an answer, in these tests.
const BOUND: usize = 20_000;

async fn server(env: &TestEnv) -> TestServer<'_> {
    env.server_with(|setup| {
        setup.rules.limits.answer_bytes = BOUND as u64;
        setup.rules.limits.replay = 1000;
    })
    .await
}

/// A text of about 3 kB that begins with `n` and has characters that are escaped.
fn large(n: u64) -> String {
    format!("{n} {}", "\"x\n".repeat(500))
}

async fn publish(server: &TestServer<'_>, channel: &str, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        server.publish(&[channel], "message", &large(n), true).await;
    }
}

fn numbers(state: &Value) -> Vec<u64> {
    let number = |text: &str| text.split(' ').next().unwrap().parse().unwrap();
    event_texts(state).into_iter().map(number).collect()
}

/// Subscribes page by page from a serial to the end; the serials in the order received, and the number of pages.
async fn read_pages(client: &mut Client, channel: &str, mut since: u64) -> (Vec<u64>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let state = client
            .subscribe_with(channel, json!({"since": since, "paging": true}))
            .await;
        assert_eq!(state["recovered"], true, "{state}");
        assert!(state.to_string().len() < 2 * BOUND);
        pages += 1;
        all.extend(serials(&state));
        since = state["serial"].as_u64().unwrap();
        if state["more"] != true {
            return (all, pages);
        }
        assert_eq!(all.last(), Some(&since));
    }
}

pub(crate) async fn a_replay_over_the_bound_is_not_recovered(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "c", 1..=12).await;
    let mut client = server.client().await;
    let state = client.subscribe_with("c", json!({"since": 0})).await;
    assert_eq!(
        (&state["recovered"], &state["serial"]),
        (&json!(false), &json!(12))
    );
    assert_eq!(state.get("more"), None);
    let shown = serials(&state);
    assert!((2..10).contains(&shown.len()), "{shown:?}");
    assert_eq!(*shown.last().unwrap(), 12, "the newest that have room");
    // What has room is recovered.
    let state = client.subscribe_with("c", json!({"since": 10})).await;
    assert_eq!(
        (&state["recovered"], serials(&state)),
        (&json!(true), vec![11, 12])
    );
    server.publish(&["c"], "message", "live", true).await;
    assert_eq!(client.expect("message").await.serial(), 13);
}

pub(crate) async fn a_client_that_pages_gets_every_event_once(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "c", 1..=30).await;
    let mut client = server.client().await;
    let (read, pages) = read_pages(&mut client, "c", 0).await;
    assert_eq!(read, (1..=30).collect::<Vec<_>>());
    assert!(pages > 5, "{pages}");
    server.publish(&["c"], "message", "live", true).await;
    assert_eq!(client.expect("message").await.serial(), 31);
}

pub(crate) async fn events_between_the_pages_are_neither_lost_nor_repeated(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "c", 1..=20).await;
    let mut client = server.client().await;
    let mut since = 0;
    let mut read = Vec::new();
    for round in 0.. {
        client
            .send_subscribe("c", json!({"since": since, "paging": true}))
            .await;
        // Before, during or after the reading of the page, which is not the last.
        if (1..=3).contains(&round) {
            publish(&server, "c", 1..=2).await;
            server.publish_transient("c", &round.to_string()).await;
        }
        let state = client
            .expect_state("pusher_internal:subscription_succeeded", "c")
            .await;
        read.extend(serials(&state));
        since = state["serial"].as_u64().unwrap();
        if state["more"] != true {
            break;
        }
    }
    // What is not stored follows the last page, in its order.
    for round in 1..=3 {
        assert_eq!(client.expect("call").await.data(), round.to_string());
    }
    assert_eq!(read, (1..=26).collect::<Vec<_>>());
    publish(&server, "c", 27..=28).await;
    assert_eq!(client.expect("message").await.serial(), 27);
    assert_eq!(client.expect("message").await.serial(), 28);
    client.expect_nothing().await;
}

pub(crate) async fn more_than_the_replay_limit_is_read_in_pages(env: &TestEnv) {
    let server = env.server_with(|setup| setup.rules.limits.replay = 3).await;
    server
        .publish_texts("c", &["1", "2", "3", "4", "5", "6", "7"])
        .await;
    let mut client = server.client().await;
    assert_eq!(
        read_pages(&mut client, "c", 0).await,
        ((1..=7).collect(), 3)
    );
    env.prune_all_but(5).await;
    let state = client
        .subscribe_with("c", json!({"since": 0, "paging": true}))
        .await;
    assert_eq!(
        state["recovered"], false,
        "removed events are not recovered"
    );
}

pub(crate) async fn without_since_a_client_leaves_the_pages(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "c", 1..=10).await;
    let mut client = server.client().await;
    let state = client
        .subscribe_with("c", json!({"since": 0, "paging": true}))
        .await;
    assert_eq!(state["more"], true);
    client.subscribe("c").await;
    server.publish(&["c"], "message", "live", true).await;
    assert_eq!(client.expect("message").await.serial(), 11);
}

pub(crate) async fn an_event_over_the_bound_is_a_page(env: &TestEnv) {
    let server = server(env).await;
    for n in 1..=3 {
        let text = format!("{n} {}", "x".repeat(2 * BOUND));
        server.publish(&["c"], "message", &text, true).await;
    }
    let mut client = server.client().await;
    for n in 1..=3_u64 {
        let state = client
            .subscribe_with("c", json!({"since": n - 1, "paging": true}))
            .await;
        assert_eq!((numbers(&state), &state["serial"]), (vec![n], &json!(n)));
        assert_eq!(state.get("more"), (n < 3).then_some(&json!(true)));
    }
}

pub(crate) async fn the_history_says_where_it_was_cut(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "c", 1..=15).await;
    let mut client = server.subscribed("c").await;
    let mut read = Vec::new();
    loop {
        let state = client
            .query(json!({"channel": "c", "skip": read.len(), "count": 15 - read.len()}))
            .await;
        read.extend(serials(&state));
        if state["more"] != true {
            break;
        }
    }
    assert_eq!(read, (1..=15).rev().collect::<Vec<_>>());
    let state = client.query(json!({"channel": "c", "count": 2})).await;
    assert_eq!((serials(&state), state.get("more")), (vec![15, 14], None));
}

pub(crate) async fn a_personal_channel_is_read_in_pages(env: &TestEnv) {
    let server = server(env).await;
    let channels = ["personal-ann", "a", "b", "c"];
    for alias in &channels[1..] {
        server.add_subscription("ann", alias).await;
    }
    for n in 1..=4 {
        for channel in channels {
            publish(&server, channel, n..=n).await;
        }
    }
    let mut client = server.client().await;
    let mut last: BTreeMap<String, u64> = channels.map(|name| (name.to_owned(), 0)).into();
    for page in 1.. {
        let state = client
            .subscribe_with("personal-ann", json!({"since": last, "paging": true}))
            .await;
        assert_eq!(state["recovered"], true);
        assert!(state.to_string().len() < 2 * BOUND);
        for event in state["events"].as_array().unwrap() {
            let serial = last.get_mut(event["channel"].as_str().unwrap()).unwrap();
            assert_eq!(event["serial"], *serial + 1);
            *serial += 1;
        }
        if page < 3 {
            publish(&server, "b", 5..=5).await;
        }
        if state["more"] != true {
            assert!(page > 3);
            break;
        }
    }
    assert_eq!(last["b"], 6);
    assert!(
        ["a", "c", "personal-ann"]
            .iter()
            .all(|name| last[*name] == 4)
    );
    publish(&server, "b", 7..=7).await;
    assert_eq!(client.expect("message").await.serial(), 7);
    client.expect_nothing().await;
    // Without paging it is not recovered.
    let state = client
        .subscribe_with(
            "personal-ann",
            json!({"since": {"personal-ann": 0, "a": 0, "b": 0}}),
        )
        .await;
    assert_eq!(state["recovered"], false);
    assert!(state.to_string().len() < 2 * BOUND);
}

pub(crate) async fn an_inbox_has_what_has_room(env: &TestEnv) {
    let server = server(env).await;
    publish(&server, "personal-ann", 1..=10).await;
    let mut client = server.client().await;
    let state = client.subscribe("personal-ann").await;
    let shown = serials(&state);
    assert!((2..10).contains(&shown.len()), "{shown:?}");
    assert_eq!(shown[0], 10, "the newest first");
}

pub(crate) async fn paging_is_true_or_false(env: &TestEnv) {
    let server = server(env).await;
    let mut client = server.client().await;
    client.next_is_invalid();
    client
        .send_subscribe("c", json!({"since": 0, "paging": 1}))
        .await;
    client.expect_error(4314).await;
    let state = client
        .subscribe_with("c", json!({"since": 0, "paging": false}))
        .await;
    assert_eq!(state["recovered"], true);
}

pub(crate) async fn a_client_that_does_not_take_its_answer_is_closed_with_4100(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.buffer = 512;
            setup.keep_alive = false;
        })
        .await;
    publish(&server, "c", 1..=100).await;
    let mut client = server.subscribed("c").await;
    client
        .send(json!({"event": "pusher:latest", "data": {"channel": "c", "count": 100}}))
        .await;
    let pending = || {
        let mailboxes = server.service.hub().mailboxes();
        mailboxes
            .iter()
            .map(|mailbox| mailbox.pending_bytes())
            .sum::<usize>()
    };
    pushi_test_support::until("the answer is pending", async || pending() > 300_000).await;
    assert!(server.service.answers().used() > 300_000);
    // Live frames have their own bound beside it.
    publish(&server, "c", 1..=10).await;
    for _ in 0..31 {
        server.tick(120, 0);
    }
    pushi_test_support::until("the session ends", async || {
        server.service.hub().connections() == 0
    })
    .await;
    assert!(
        server
            .metrics()
            .contains("pushi_connections_closed_total{reason=\"slow_reader\"} 1")
    );
    client.abort().await;
    pushi_test_support::until("its bytes are free", async || {
        server.service.answers().used() == 0
    })
    .await;
}

pub(crate) async fn a_slow_client_that_reads_keeps_its_connection(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.buffer = 64 * 1024;
            setup.keep_alive = false;
        })
        .await;
    publish(&server, "c", 1..=100).await;
    let mut client = server.subscribed("c").await;
    for _ in 0..3 {
        client
            .send(json!({"event": "pusher:latest", "data": {"channel": "c", "count": 100}}))
            .await;
        for _ in 0..29 {
            server.tick(120, 0);
        }
        let state = client.expect_state("pusher_internal:latest", "c").await;
        assert_eq!(serials(&state).len(), 100);
        pushi_test_support::until("taken", async || server.service.answers().used() == 0).await;
    }
    for _ in 0..60 {
        server.tick(120, 0);
    }
    publish(&server, "c", 1..=1).await;
    client.expect("message").await;
}

pub(crate) async fn an_app_whose_answers_are_not_read_does_not_stop_another(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.buffer = 512;
            setup.rules.limits.answers_bytes = 2_000_000;
        })
        .await;
    publish(&server, "c", 1..=100).await;
    let ask = json!({"event": "pusher:latest", "data": {"channel": "c", "count": 100}});
    let mut unread = Vec::new();
    for _ in 0..4 {
        let mut client = server.subscribed("c").await;
        client.send(ask.clone()).await;
        unread.push(client);
    }
    pushi_test_support::until("the app has its part", async || {
        server.service.answers().used() > 200_000
    })
    .await;
    assert!(server.service.answers().used() <= 500_000);
    let app = NewApp {
        name: "other".to_owned(),
        ..NewApp::default()
    };
    let app = server.service.create_app(app).await.unwrap();
    let mut other = server.client_of(&app).await;
    other.subscribe("c").await;
    let state = other.query(json!({"channel": "c", "count": 100})).await;
    assert_eq!(serials(&state), [0; 0]);
    // The others of the app follow as the first ones are read.
    let mut reading = tokio::task::JoinSet::new();
    for mut client in unread {
        reading.spawn(async move { client.expect_state("pusher_internal:latest", "c").await });
    }
    while let Some(state) = reading.join_next().await {
        assert!(!serials(&state.unwrap()).is_empty());
    }
}

/// Each answer has a list of its own, because each join changes it.
pub(crate) async fn unread_lists_of_members_have_bounded_bytes(env: &TestEnv) {
    let small = |setup: &mut pushi_test_support::ServerSetup| {
        setup.buffer = 512;
        setup.rules.limits.answers_bytes = 800_000;
    };
    let server = env.server_with(small).await;
    let mut unread = server.clients::<30>().await;
    for (user, client) in unread.iter_mut().enumerate() {
        let data = json!({"user_id": user.to_string(), "text": "x".repeat(900)});
        let join = json!({ "channel_data": data });
        client.send_subscribe("presence-room", join).await;
    }
    let used = || server.service.answers().used();
    pushi_test_support::until("the app has its part", async || used() > 80_000).await;
    assert!(used() <= 100_000, "{}", used());
    let mut reading = tokio::task::JoinSet::new();
    for mut client in unread {
        let answer = "pusher_internal:subscription_succeeded";
        reading.spawn(async move { client.expect_state(answer, "presence-room").await });
    }
    while let Some(state) = reading.join_next().await {
        state.unwrap();
    }
}
