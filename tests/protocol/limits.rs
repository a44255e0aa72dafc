//! Limits of one connection: message size, frame types, slow readers.

use pushi_test_support::{Client, PATIENCE, TestEnv};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

pub(crate) async fn a_binary_frame_is_4321(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.subscribed("c").await;
    for bytes in [
        Bytes::new(),
        Bytes::from_static(br#"{"event":"pusher:ping"}"#),
        Bytes::from_static(&[0xff; 1000]),
    ] {
        client.send_message(Message::Binary(bytes)).await;
        let frame = client.expect_error(4321).await;
        assert_eq!(frame.channel(), "");
    }
    server.publish_transient("c", "goes on").await;
    client.expect("call").await;
    client.expect_nothing().await;
}

/// A publish whose frame has this many bytes.
fn frame_of(bytes: usize) -> String {
    let frame = |fill: usize| {
        format!(
            r#"{{"event":"m","channel":"c","persist":false,"echo":true,"data":"{}"}}"#,
            "x".repeat(fill)
        )
    };
    frame(bytes - frame(0).len())
}

pub(crate) async fn a_message_over_the_limit_is_4318_and_1009(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.message_bytes = 1000)
        .await;
    let mut client = server.subscribed("c").await;
    client.send_message(frame_of(1000)).await;
    client.expect("m").await;
    client.send_message(frame_of(1001)).await;
    let frame = client.expect_error(4318).await;
    assert_eq!(frame.channel(), "");
    assert!(frame.message().contains("1000"), "{frame:?}");
    assert_eq!(client.expect_close().await, 1009);
    client.abort().await;
}

pub(crate) async fn error_and_close_frames_arrive_while_the_client_floods(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.rules.limits.message_bytes = 1000;
            // Less than the messages have, and enough to discard them in the time of a close.
            setup.buffer = 16 * 1024;
        })
        .await;
    for bytes in [1001, 100_000, 3_000_000] {
        let mut client = server.client().await;
        // It sends all of it before it reads anything, and more behind it.
        client
            .send_message(Message::Text("x".repeat(bytes).into()))
            .await;
        client
            .send_message(Message::Text("y".repeat(bytes).into()))
            .await;
        client.expect_error(4318).await;
        assert_eq!(client.expect_close().await, 1009);
    }
}

pub(crate) async fn fragments_are_one_message(env: &TestEnv) {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let server = env
        .server_with(|setup| setup.rules.limits.message_bytes = 1000)
        .await;
    let mut client = server.subscribed("c").await;
    let part = |text: &str, first: bool, last: bool| {
        let code = if first { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message(
            text.as_bytes().to_vec(),
            OpCode::Data(code),
            last,
        ))
    };
    client
        .send_message(part(r#"{"event":"pusher:"#, true, false))
        .await;
    client
        .send_message(Message::Ping(Bytes::from_static(b"between")))
        .await;
    client.send_message(part(r#"ping"}"#, false, true)).await;
    client.expect("pusher:pong").await;
    for n in 0..3 {
        client
            .send_message(part(&"x".repeat(400), n == 0, false))
            .await;
    }
    client.expect_error(4318).await;
    assert_eq!(client.expect_close().await, 1009);
}

pub(crate) async fn an_apps_own_limit_holds_from_the_next_message_on(env: &TestEnv) {
    let server = env.server().await;
    let [mut first, mut second] = server.clients().await;
    for client in [&mut first, &mut second] {
        client.subscribe("c").await;
    }
    server
        .set(|settings| settings.limits.max_message_bytes = Some(100_000))
        .await;
    first.send_message(frame_of(100_000)).await;
    first.expect("m").await;
    second.expect("m").await;
    server
        .set(|settings| settings.limits.max_message_bytes = Some(200))
        .await;
    first.send_message(frame_of(200)).await;
    first.expect("m").await;
    second.expect("m").await;
    second.send_message(frame_of(201)).await;
    second.expect_error(4318).await;
    assert_eq!(second.expect_close().await, 1009);
    server
        .set(|settings| settings.limits.max_message_bytes = Some(0))
        .await;
    first.send_message(frame_of(500_000)).await;
    assert_eq!(first.expect("m").await.data().len() / 1000, 499);
}

pub(crate) async fn text_that_is_not_unicode_is_1007(env: &TestEnv) {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let server = env.server().await;
    let mut client = server.client().await;
    client
        .send_message(Message::Frame(Frame::message(
            vec![0xff, 0xfe],
            OpCode::Data(Data::Text),
            true,
        )))
        .await;
    assert_eq!(client.expect_close().await, 1007);
}

pub(crate) async fn a_slow_reader_is_closed_and_delays_no_other(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.rules.limits.pending_bytes = 20_000;
            setup.buffer = 1000;
        })
        .await;
    let mut slow = server.subscribed("c").await;
    let mut quick = server.subscribed("c").await;
    let text = "x".repeat(1000);
    for n in 0..100 {
        server.publish_transient("c", &format!("{n} {text}")).await;
        assert!(
            quick
                .expect("call")
                .await
                .data()
                .starts_with(&format!("{n} "))
        );
    }
    // Frames that were already written still arrive in order, then the error.
    let mut heard = 0;
    let last = loop {
        let frame = slow.next().await;
        if frame.event() != "call" {
            break frame;
        }
        assert!(frame.data().starts_with(&format!("{heard} ")));
        heard += 1;
    };
    assert!(heard < 100);
    assert_eq!((last.event(), last.code()), ("pusher:error", 4100));
    assert_eq!(slow.expect_close().await, 4100);
    slow.abort().await;
    server.publish_transient("c", "goes on").await;
    quick.expect("call").await;
    quick.expect_nothing().await;
}

pub(crate) async fn a_slow_readers_user_has_left(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.rules.limits.pending_bytes = 5_000;
            setup.buffer = 1000;
        })
        .await;
    let [mut slow, mut watcher] = server.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    slow.join("presence-a", json!({"user_id": "slow"})).await;
    watcher.expect("pusher:member_added").await;
    slow.subscribe("c").await;
    for _ in 0..20 {
        server.publish_transient("c", &"x".repeat(1000)).await;
    }
    watcher.expect("pusher:member_removed").await;
}

pub(crate) async fn a_client_that_does_not_read_answers_is_not_read(env: &TestEnv) {
    let server = env.server_with(|setup| setup.buffer = 1000).await;
    let mut greedy = server.client().await;
    // Nothing of what it asks for is read, so at some point nothing more is taken from it.
    let ask = r#"{"event":"pusher:ping"}"#;
    let mut asked = 0;
    let asking = async {
        loop {
            greedy.send_message(ask).await;
            asked += 1;
        }
    };
    let elsewhere = async {
        let mut other = server.client().await;
        for _ in 0..100 {
            other.expect_nothing().await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = elsewhere => {}
    }
    assert!(
        asked < 20_000,
        "{asked} were read of a client that reads nothing"
    );
    let mut answered = 0;
    while answered < asked {
        greedy.expect("pusher:pong").await;
        answered += 1;
    }
}

/// The next message, whatever it is.
async fn pong(client: &mut Client, bytes: &'static [u8]) {
    client
        .send_message(Message::Ping(Bytes::from_static(bytes)))
        .await;
    let message = timeout(PATIENCE, client.message()).await.unwrap();
    assert_eq!(message, Some(Message::Pong(Bytes::from_static(bytes))));
}

pub(crate) async fn a_ping_is_answered_by_a_pong(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    pong(&mut client, b"").await;
    pong(&mut client, b"there?").await;
    for data in [json!({}), json!("{}"), json!(null), json!([1])] {
        client
            .send(json!({"event": "pusher:ping", "data": data}))
            .await;
        assert_eq!(
            client.expect("pusher:pong").await.text,
            r#"{"event":"pusher:pong","data":"{}"}"#
        );
    }
    // An unsolicited pong is ignored.
    client
        .send_message(Message::Pong(Bytes::from_static(b"x")))
        .await;
    client.expect_nothing().await;
}
