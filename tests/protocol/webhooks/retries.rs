//! Failures, retries and replays of webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pushi::core::auth::webhook_signature;
use pushi::core::model::WebhookEvent;
use pushi::core::service::WebhookLog;
use pushi_test_support::{Call, Receiver, TestEnv, TestServer, until, webhook_sender};
use serde_json::json;
use tokio::net::TcpListener;

use super::{hook, hook_for, webhook_server, webhook_server_with};

const HOUR: Duration = Duration::from_secs(3600);

async fn log(server: &TestServer<'_>) -> WebhookLog {
    server
        .service
        .webhook_log(&server.app.ident, None, 100)
        .await
        .unwrap()
}

/// Waits until an address has failed so often since it last did not.
async fn failed(server: &TestServer<'_>, url: &str, times: u64) {
    let has_failed = async || {
        log(server)
            .await
            .waiting
            .iter()
            .any(|waiting| &*waiting.address == url && waiting.attempts >= times)
    };
    until("the address does not fail", has_failed).await;
}

/// Sends one more event.
async fn happen(server: &TestServer<'_>, number: u32) {
    let mut client = server.pusher_on("private-x").await;
    client
        .send_client_event("private-x", "client-count", json!(number))
        .await;
    client.expect_nothing().await;
}

pub(super) async fn failed_events_are_resent_in_order(env: &TestEnv) {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let answers = ["500 Oops", "404 Gone fishing", "204 Fine", "200 OK"];
    let answer =
        move |_: &_| answers[(counted.fetch_add(1, Ordering::SeqCst) as usize).min(3)].to_owned();
    let mut receiver = Receiver::answering(answer).await;
    let server = webhook_server(
        env,
        vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])],
    )
    .await;
    happen(&server, 1).await;
    let first = receiver.call().await;
    failed(&server, &receiver.url, 1).await;
    happen(&server, 2).await;
    server.queued_webhook_events(2).await;
    server.clock.advance(Duration::from_secs(1));
    let second = receiver.call().await;
    failed(&server, &receiver.url, 2).await;
    server.clock.advance(Duration::from_secs(2));
    let third = receiver.call().await;
    let data = |call: &Call| {
        call.events()
            .iter()
            .map(|event| event["data"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        [data(&first), data(&second), data(&third)],
        [
            vec![json!("1")],
            vec![json!("1"), json!("2")],
            vec![json!("1"), json!("2")]
        ]
    );
    server.queued_webhook_events(0).await;
    assert!(receiver.is_quiet(), "what was taken is not told again");
    let metrics = server.metrics();
    for line in [
        "pushi_webhook_deliveries_total{outcome=\"failed\"} 2",
        "pushi_webhook_deliveries_total{outcome=\"delivered\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert_eq!(log(&server).await.deliveries[0].attempts, 3);
}

pub(super) async fn an_unreachable_address_delays_no_other(env: &TestEnv) {
    // The first accepts connections and never answers; the second port is closed.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut receiver = Receiver::start().await;
    let webhooks = [&silent_url, &format!("http://{nobody}/"), &receiver.url]
        .map(|url| hook_for(url, &[WebhookEvent::ClientEvent]));
    // Far longer than the whole test takes.
    let patient = webhook_sender(true, HOUR);
    let server = webhook_server_with(env, webhooks.to_vec(), |setup| {
        setup.ports.notifier = patient
    })
    .await;
    for number in 0..5 {
        happen(&server, number).await;
        assert_eq!(receiver.told(1).await[0]["data"], json!(number.to_string()));
    }
    assert!(
        log(&server)
            .await
            .waiting
            .iter()
            .any(|waiting| *waiting.address == *silent_url && waiting.events == 5)
    );
}

pub(super) async fn abandoned_events_can_be_replayed(env: &TestEnv) {
    let well = Arc::new(AtomicU32::new(0));
    let asked = Arc::clone(&well);
    let answer = move |_: &_| {
        if asked.load(Ordering::SeqCst) == 0 {
            "503 Away".to_owned()
        } else {
            "200 OK".to_owned()
        }
    };
    let mut receiver = Receiver::answering(answer).await;
    let server = webhook_server(
        env,
        vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])],
    )
    .await;
    happen(&server, 1).await;
    failed(&server, &receiver.url, 1).await;
    server.clock.advance(23 * HOUR);
    happen(&server, 2).await;
    failed(&server, &receiver.url, 2).await;
    server.clock.advance(HOUR + Duration::from_secs(1));
    until("nothing is given up", async || {
        !log(&server).await.deliveries.is_empty()
    })
    .await;
    let entry = log(&server).await.deliveries.remove(0);
    assert!(
        entry.given_up && (entry.events, entry.last.status) == (1, Some(503)),
        "{entry:?}"
    );
    assert_eq!(
        log(&server).await.waiting[0].events,
        1,
        "what is younger is tried on"
    );
    well.store(1, Ordering::SeqCst);
    assert_eq!(
        server
            .service
            .replay_webhook(&server.app.ident, entry.id)
            .await
            .unwrap(),
        1
    );
    server.queued_webhook_events(0).await;
    let mut last = receiver.call().await;
    while let Ok(call) = tokio::time::timeout(Duration::ZERO, receiver.call()).await {
        last = call;
    }
    assert_eq!(
        last.events()
            .iter()
            .map(|event| event["data"].clone())
            .collect::<Vec<_>>(),
        [json!("2"), json!("1")]
    );
}

pub(super) async fn without_retries_it_is_tried_once(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "500 Oops".to_owned()).await;
    let webhooks = vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])];
    let server = webhook_server_with(env, webhooks, |setup| {
        setup.rules.webhooks.retry = Duration::ZERO
    })
    .await;
    happen(&server, 1).await;
    receiver.call().await;
    until("nothing is given up", async || {
        !log(&server).await.deliveries.is_empty()
    })
    .await;
    assert!(receiver.is_quiet() && log(&server).await.deliveries[0].given_up);
    server.queued_webhook_events(0).await;
}

pub(super) async fn a_receiver_with_the_old_secret_is_sent_the_old_signature(env: &TestEnv) {
    let known = Arc::new(parking_lot::Mutex::new(None));
    let checked = Arc::clone(&known);
    let mut receiver = Receiver::answering(move |call| {
        let secret = checked.lock().clone().unwrap();
        let is_valid = call.header("x-pusher-signature") == webhook_signature(&secret, &call.body);
        if is_valid {
            "200 OK".to_owned()
        } else {
            "401 Unauthorized".to_owned()
        }
    })
    .await;
    let server = webhook_server(
        env,
        vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])],
    )
    .await;
    *known.lock() = Some(server.app.secret.clone());
    let rotated = server
        .service
        .rotate_secret(&server.app.ident)
        .await
        .unwrap();
    let signed_with = |call: &Call, new: bool| {
        let secret = if new {
            &rotated.secret
        } else {
            &server.app.secret
        };
        call.header("x-pusher-signature") == webhook_signature(secret, &call.body)
    };
    happen(&server, 1).await;
    let (first, second) = (receiver.call().await, receiver.call().await);
    assert!(
        signed_with(&first, true) && signed_with(&second, false),
        "first with the new secret, then with the old one"
    );
    server.queued_webhook_events(0).await;
    *known.lock() = Some(rotated.secret.clone());
    happen(&server, 2).await;
    assert!(signed_with(&receiver.call().await, true));
    server.queued_webhook_events(0).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn a_removed_webhook_is_given_up(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "500 Oops".to_owned()).await;
    let server = webhook_server(
        env,
        vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])],
    )
    .await;
    happen(&server, 1).await;
    receiver.call().await;
    failed(&server, &receiver.url, 1).await;
    server.set(|settings| settings.webhooks.clear()).await;
    server.clock.advance(HOUR);
    server.queued_webhook_events(0).await;
    assert!(receiver.is_quiet() && log(&server).await.deliveries[0].given_up);
}

pub(super) async fn private_addresses_are_refused(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let port = receiver.url.split(':').nth(2).unwrap();
    // As a number, as another form of it, and as a name that is looked up.
    let urls = [
        receiver.url.clone(),
        format!("http://127.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
    ];
    let webhooks = urls
        .iter()
        .map(|url| hook_for(url, &[WebhookEvent::ClientEvent]))
        .collect();
    let strict = webhook_sender(false, Duration::from_secs(5));
    let server = webhook_server_with(env, webhooks, |setup| setup.ports.notifier = strict).await;
    happen(&server, 1).await;
    for url in &urls {
        failed(&server, url, 1).await;
    }
    for waiting in log(&server).await.waiting {
        let problem = waiting.last.problem.unwrap();
        assert!(
            problem.contains("private network") && waiting.last.status.is_none(),
            "{}: {problem}",
            waiting.address
        );
    }
    assert!(receiver.is_quiet());
}

pub(super) async fn redirects_are_not_followed(env: &TestEnv) {
    let mut elsewhere = Receiver::start().await;
    let target = elsewhere.url.clone();
    let mut receiver =
        Receiver::answering(move |_| format!("307 Over there\r\nlocation: {target}")).await;
    let server = webhook_server(env, vec![hook(&receiver.url)]).await;
    happen(&server, 1).await;
    receiver.call().await;
    failed(&server, &receiver.url, 1).await;
    let waiting = log(&server).await.waiting.remove(0);
    assert_eq!(
        (waiting.last.status, waiting.last.problem.as_deref()),
        (Some(307), Some("redirects are not followed"))
    );
    assert!(elsewhere.is_quiet());
}
