//! Recovery after a reconnect: `since`.

use pushi_test_support::{Client, TestEnv, event_texts, serials};
use serde_json::{Value, json};

/// The answer to a subscription with `since`.
async fn go_on(client: &mut Client, channel: &str, since: Value) -> (Vec<String>, bool, u64) {
    let state = client
        .subscribe_with(channel, json!({"since": since}))
        .await;
    let texts = event_texts(&state).into_iter().map(str::to_owned).collect();
    (
        texts,
        state["recovered"].as_bool().unwrap(),
        state["serial"].as_u64().unwrap(),
    )
}

fn texts(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

pub(crate) async fn later_events_are_replayed_oldest_first(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("c", &["1", "2", "3", "4"]).await;
    let mut client = server.client().await;
    for (since, first) in [(0, 1), (1, 2), (3, 4)] {
        assert_eq!(
            go_on(&mut client, "c", json!(since)).await,
            (texts(first..=4), true, 4)
        );
    }
    assert_eq!(go_on(&mut client, "c", json!(4)).await, (vec![], true, 4));
    assert_eq!(
        go_on(&mut client, "c", json!("now")).await,
        (vec![], true, 4)
    );
    server.publish_texts("c", &["5"]).await;
    assert_eq!(client.expect("message").await.serial(), 5);
    client.expect_nothing().await;
}

pub(crate) async fn a_channel_without_events_has_serial_zero(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    assert_eq!(go_on(&mut client, "c", json!(0)).await, (vec![], true, 0));
    assert_eq!(
        go_on(&mut client, "c", json!("now")).await,
        (vec![], true, 0)
    );
    server.publish_transient("c", "not kept").await;
    client.expect("call").await;
    server.publish_texts("c", &["1"]).await;
    assert_eq!(client.expect("message").await.serial(), 1);
}

pub(crate) async fn above_the_newest_it_is_not_recovered(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    assert_eq!(go_on(&mut client, "c", json!(1)).await, (vec![], false, 0));
    server.publish_texts("c", &["1", "2"]).await;
    for _ in 0..2 {
        client.expect("message").await;
    }
    for since in [3, 1000, i64::MAX] {
        assert_eq!(
            go_on(&mut client, "c", json!(since)).await,
            (texts(1..=2), false, 2)
        );
    }
    server.publish_texts("c", &["3"]).await;
    assert_eq!(
        client.expect("message").await.serial(),
        3,
        "live events go on from the serial that was told"
    );
}

pub(crate) async fn too_old_by_retention_it_is_not_recovered(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("c", &["1", "2", "3", "4", "5"]).await;
    env.prune_all_but(2).await;
    let mut client = server.client().await;
    assert_eq!(
        go_on(&mut client, "c", json!(0)).await,
        (texts(4..=5), false, 5)
    );
    assert_eq!(
        go_on(&mut client, "c", json!(2)).await,
        (texts(4..=5), false, 5)
    );
    assert_eq!(
        go_on(&mut client, "c", json!(3)).await,
        (texts(4..=5), true, 5)
    );
    env.prune_all_but(0).await;
    assert_eq!(go_on(&mut client, "c", json!(4)).await, (vec![], false, 5));
    assert_eq!(go_on(&mut client, "c", json!(5)).await, (vec![], true, 5));
    assert_eq!(
        go_on(&mut client, "c", json!("now")).await,
        (vec![], true, 5)
    );
}

pub(crate) async fn too_old_by_the_replay_limit_it_is_not_recovered(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.replay = 12)
        .await;
    let all = texts(1..=20);
    server
        .publish_texts("c", &all.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let mut client = server.client().await;
    assert_eq!(
        go_on(&mut client, "c", json!(8)).await,
        (texts(9..=20), true, 20)
    );
    assert_eq!(
        go_on(&mut client, "c", json!(7)).await,
        (texts(11..=20), false, 20),
        "the newest ten"
    );
    assert_eq!(
        go_on(&mut client, "c", json!(0)).await,
        (texts(11..=20), false, 20)
    );
}

pub(crate) async fn any_other_value_is_an_error(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("c", &["1"]).await;
    let mut client = server.client().await;
    for since in [
        json!(-1),
        json!(1.5),
        json!(0.0),
        json!("0"),
        json!("Now"),
        json!(""),
        json!(true),
        json!([]),
        json!([0]),
        json!({"c": -1}),
        json!({"c": "0"}),
        json!({"c": 0}),
        json!({}),
        json!(9_223_372_036_854_775_808_u64),
        json!(1e300),
    ] {
        // Schemas do not tell 0.0 from 0, nor the kinds of channels.
        client.next_may_be_invalid();
        client.send_subscribe("c", json!({"since": since})).await;
        let frame = client.next().await;
        assert_eq!(
            (frame.event(), frame.channel()),
            ("pusher:error", "c"),
            "since {since}: {frame:?}"
        );
        assert_eq!(frame.code(), 4314);
    }
    server.publish_transient("c", "hello").await;
    client.expect_nothing().await;
    // `null` is as good as nothing.
    let state = client.subscribe_with("c", json!({"since": null})).await;
    assert_eq!(
        (state.get("recovered"), &state["events"]),
        (None, &json!([]))
    );
}

pub(crate) async fn every_kind_of_channel_has_it(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for channel in ["public", "private-a", "presence-a", "personal-ann"] {
        server.publish_texts(channel, &["1", "2", "3"]).await;
        let state = client
            .subscribe_with(
                channel,
                json!({"since": 1, "channel_data": {"user_id": "ann"}}),
            )
            .await;
        assert_eq!(
            (serials(&state), &state["recovered"], &state["serial"]),
            (vec![2, 3], &json!(true), &json!(3)),
            "{channel}"
        );
        server.publish_texts(channel, &["4"]).await;
        assert_eq!(client.expect("message").await.serial(), 4);
        client.expect_nothing().await;
    }
    assert_eq!(
        client.query(json!({"channel": "presence-a"})).await["members"]["ann"],
        json!({"user_id": "ann"})
    );
}

pub(crate) async fn a_personal_channel_goes_on_with_its_aliases(env: &TestEnv) {
    let server = env.server().await;
    for channel in ["a", "b", "quiet"] {
        server.add_subscription("ann", channel).await;
    }
    server.publish_texts("a", &["a1"]).await;
    server.publish_texts("b", &["b1", "b2"]).await;
    server.publish_texts("personal-ann", &["p1"]).await;
    server.publish_texts("a", &["a2"]).await;
    server.publish_texts("elsewhere", &["e1"]).await;
    let mut client = server.client().await;
    let all = json!({"personal-ann": 0, "a": 1, "b": 1, "quiet": 0});
    let (texts, recovered, serial) = go_on(&mut client, "personal-ann", all).await;
    assert_eq!(
        (texts, recovered, serial),
        (["b2", "p1", "a2"].map(str::to_owned).to_vec(), true, 1)
    );
    // Of those that are not named, and of what the user does not follow, nothing.
    let some = json!({"b": 0, "elsewhere": 0});
    let (texts, recovered, serial) = go_on(&mut client, "personal-ann", some).await;
    assert_eq!(
        (texts, recovered, serial),
        (["b1", "b2"].map(str::to_owned).to_vec(), true, 1)
    );
    let state = client
        .subscribe_with("personal-ann", json!({"since": {}}))
        .await;
    assert_eq!(
        (&state["events"], &state["recovered"], &state["serial"]),
        (&json!([]), &json!(true), &json!(1))
    );
    assert_eq!(state["alias"], json!(["a", "b", "quiet"]));
    for channel in ["a", "b", "quiet", "personal-ann"] {
        server.publish_texts(channel, &["live"]).await;
        assert_eq!(client.expect("message").await.channel(), channel);
    }
    client.expect_nothing().await;
}

pub(crate) async fn with_aliases_all_must_be_recovered(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    server.publish_texts("a", &["a1", "a2"]).await;
    server.publish_texts("b", &["b1"]).await;
    let mut client = server.client().await;
    let (texts, recovered, _) = go_on(&mut client, "personal-ann", json!({"a": 1, "b": 7})).await;
    assert_eq!(
        (texts, recovered),
        (["a2", "b1"].map(str::to_owned).to_vec(), false)
    );
    let (_, recovered, serial) = go_on(
        &mut client,
        "personal-ann",
        json!({"personal-ann": 3, "a": 1}),
    )
    .await;
    assert_eq!((recovered, serial), (false, 0));
}

pub(crate) async fn a_number_is_the_personal_channels_own(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "a").await;
    server.publish_texts("a", &["a1"]).await;
    server.publish_texts("personal-ann", &["p1", "p2"]).await;
    let mut client = server.client().await;
    assert_eq!(
        go_on(&mut client, "personal-ann", json!(1)).await,
        (vec!["p2".to_owned()], true, 2)
    );
    assert_eq!(
        go_on(&mut client, "personal-ann", json!("now")).await,
        (vec![], true, 2)
    );
}

pub(crate) async fn a_refresh_keeps_the_place(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("presence-a", &["1"]).await;
    let mut client = server.client().await;
    client
        .subscribe_with(
            "presence-a",
            json!({"since": 0, "channel_data": {"user_id": "ann"}}),
        )
        .await;
    client
        .join("presence-a", json!({"user_id": "ann", "name": "Ann"}))
        .await;
    server.subscribed("b").await.expect_nothing().await;
    client.subscribe("b").await;
    server
        .publish(&["b", "presence-a"], "message", "both", true)
        .await;
    let mut heard = vec![
        client.expect("message").await.channel().to_owned(),
        client.expect("message").await.channel().to_owned(),
    ];
    heard.sort_unstable();
    assert_eq!(
        heard,
        ["b", "presence-a"],
        "its serials would show a gap otherwise"
    );
    // After leaving it begins anew.
    client.unsubscribe("presence-a").await;
    client.join("presence-a", json!({"user_id": "ann"})).await;
    server
        .publish(&["b", "presence-a"], "message", "once", true)
        .await;
    assert_eq!(client.expect("message").await.data(), "once");
    client.expect_nothing().await;
}
