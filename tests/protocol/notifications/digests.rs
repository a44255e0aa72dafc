//! Mails about several events.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pushi::core::model::{
    Away, DigestWindow, EmailMessage, LoggedNotification, MailAccount, NewTarget,
    NotificationState, Secret, TargetKind, UserId,
};
use pushi::core::ports::{SendFailure, Sender, Verdict};
use pushi::core::service::RegisterTarget;
use pushi_test_support::{PATIENCE, ServerSetup, TestEnv, TestServer, channel, until};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::{logged, next_server_with, registered_of, until_done};

const ADDRESS: &str = "ann@shop.example";

/// A mail server in memory, which refuses the first mails for now.
struct Mailbox {
    mails: UnboundedSender<EmailMessage>,
    refusals: Mutex<usize>,
}

#[async_trait]
impl Sender<EmailMessage> for Mailbox {
    async fn send(&self, message: &EmailMessage) -> Result<(), SendFailure> {
        self.mails.send(message.clone()).unwrap();
        let mut left = self.refusals.lock();
        if *left > 0 {
            *left -= 1;
            return Err(SendFailure::new(Verdict::Later(None), "busy"));
        }
        Ok(())
    }
}

struct Mails(UnboundedReceiver<EmailMessage>);

impl Mails {
    async fn next(&mut self) -> EmailMessage {
        let mail = timeout(PATIENCE, self.0.recv()).await;
        mail.unwrap().unwrap()
    }

    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// A mailbox that refuses this many mails, and what arrives there.
fn mailbox(refusals: usize) -> (Arc<Mailbox>, Mails) {
    let (mails, received) = unbounded_channel();
    let mailbox = Mailbox {
        mails,
        refusals: Mutex::new(refusals),
    };
    (Arc::new(mailbox), Mails(received))
}

fn with_mailbox(setup: &mut ServerSetup, mailbox: &Arc<Mailbox>) {
    setup.notify = true;
    // Two nodes with one name would release each other's claims.
    setup.rules.webhooks.single_node = false;
    setup.ports.senders.email = Arc::<Mailbox>::clone(mailbox);
    let account = MailAccount::parse("smtp://mail.example?sender=shop@shop.example");
    setup.rules.messages.mail = Some(account.unwrap());
    setup.rules.messages.public_url = Some("https://push.example".into());
}

async fn sending<'a>(env: &'a TestEnv, mailbox: &Arc<Mailbox>) -> TestServer<'a> {
    env.server_with(|setup| with_mailbox(setup, mailbox)).await
}

async fn register(server: &TestServer<'_>, name: &str, digest: &str, away: Option<Away>) {
    let target = NewTarget {
        kind: TargetKind::Smtp,
        channel: channel(name),
        address: Secret::new(ADDRESS),
        p256dh: None,
        auth: None,
        away,
        digest: DigestWindow::parse(digest),
    };
    let (key, secret) = (&server.app.key, &server.app.secret);
    let auth = pushi::core::auth::channel_auth(key, secret, ADDRESS, name, None);
    let request = RegisterTarget {
        auth: Some(auth),
        target,
        only: false,
    };
    let registered = server.service.register_target(&server.app, request);
    registered.await.unwrap();
}

/// Waits until this many notifications wait, none of them to be sent before the time has passed.
async fn until_collected(server: &TestServer<'_>, count: usize, least: Duration) {
    let collected = async || {
        let earliest = server.clock_now().plus(least);
        let waits = |one: &&LoggedNotification| one.next_attempt.is_some_and(|at| at > earliest);
        logged(server).await.iter().filter(waits).count() == count
    };
    until("the events are not collected", collected).await;
}

/// Waits until this many notifications are done with, whatever else waits.
async fn until_ended(server: &TestServer<'_>, count: usize) {
    let ended = async || {
        let ended = |one: &&LoggedNotification| one.state == NotificationState::Done;
        logged(server).await.iter().filter(ended).count() == count
    };
    until("notifications are not done with", ended).await;
}

const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn the_events_of_a_window_are_sent_in_one_mail(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(0);
    let server = sending(env, &mailbox).await;
    register(&server, "news", "15m", None).await;
    server.publish_texts("news", &["one", "two"]).await;
    until_collected(&server, 2, 14 * MINUTE).await;
    server.clock.advance(10 * MINUTE);
    server.publish_texts("news", &["three"]).await;
    until_collected(&server, 3, 4 * MINUTE).await;
    assert!(mails.is_empty());
    server.clock.advance(5 * MINUTE);
    let mail = mails.next().await;
    assert_eq!(mail.subject, "[Pushi] 3 events");
    let html = mail.html.as_ref().unwrap();
    for text in [&mail.text, html] {
        let place = |data: &str| text.find(data).unwrap();
        assert!(place("one") < place("two") && place("two") < place("three"));
    }
    assert!(mail.unsubscribe.is_some());
    until_done(&server, 3).await;
    server.publish_texts("news", &["four"]).await;
    until_collected(&server, 1, 14 * MINUTE).await;
    server.clock.advance(15 * MINUTE);
    let next = mails.next().await;
    assert_eq!(next.subject, "[Pushi] message");
    assert!(next.text.contains("four") && next.id != mail.id);
    until_done(&server, 4).await;
    assert!(mails.is_empty());
}

pub(super) async fn a_digest_is_retried_with_what_came_since(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(1);
    let server = sending(env, &mailbox).await;
    register(&server, "news", "15m", None).await;
    server.publish_texts("news", &["one"]).await;
    until_collected(&server, 1, 14 * MINUTE).await;
    server.clock.advance(15 * MINUTE);
    assert_eq!(mails.next().await.subject, "[Pushi] message");
    let failed = async || {
        let failed = |one: &LoggedNotification| one.last.problem.as_deref() == Some("busy");
        logged(&server).await.iter().any(failed)
    };
    until("the failure is not listed", failed).await;
    server.publish_texts("news", &["two"]).await;
    let both = async || logged(&server).await.len() == 2;
    until("the second event does not wait", both).await;
    server.clock.advance(60 * MINUTE);
    assert_eq!(mails.next().await.subject, "[Pushi] 2 events");
    until_done(&server, 2).await;
    assert!(mails.is_empty());
}

pub(super) async fn an_address_gets_an_event_in_one_mail_of_several(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(0);
    let server = sending(env, &mailbox).await;
    for (name, digest) in [
        ("news", "15m"),
        ("sport", "15m"),
        ("late", "1h"),
        ("now", ""),
    ] {
        register(&server, name, digest, None).await;
    }
    // Each reaches the shortest of the windows, and the mail without one delays nothing.
    let all = ["news", "sport", "late"];
    server.publish(&all, "e", "of all", true).await;
    server.publish(&["sport"], "e", "of sport", true).await;
    server.publish(&["late"], "e", "of late", true).await;
    server.publish(&["now", "news"], "e", "at once", true).await;
    let single = mails.next().await;
    assert!(single.text.ends_with("Data:\nat once\n"), "{}", single.text);
    // Its claim would end with the window.
    until_ended(&server, 1).await;
    until_collected(&server, 5, 14 * MINUTE).await;
    server.clock.advance(15 * MINUTE);
    let mail = mails.next().await;
    assert_eq!(mail.subject, "[Pushi] 2 events");
    assert!(mail.text.contains("of all") && mail.text.contains("of sport"));
    server.clock.advance(45 * MINUTE);
    let mail = mails.next().await;
    assert_eq!(mail.subject, "[Pushi] e");
    assert!(mail.text.contains("of late"));
    until_done(&server, 6).await;
    assert!(mails.is_empty());
}

pub(super) async fn one_click_ends_what_a_digest_lists(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(0);
    let server = sending(env, &mailbox).await;
    for (name, digest) in [("news", "15m"), ("sport", "15m"), ("now", "")] {
        register(&server, name, digest, None).await;
    }
    server.publish_texts("sport", &["x"]).await;
    until_collected(&server, 1, 14 * MINUTE).await;
    server.clock.advance(15 * MINUTE);
    let link = mails.next().await.unsubscribe.unwrap();
    until_done(&server, 1).await;
    server.publish_texts("news", &["dropped"]).await;
    until_collected(&server, 1, 14 * MINUTE).await;
    let token = link.expose().rsplit_once('/').unwrap().1;
    let ended = server.service.mail_registrations(token).await.unwrap();
    assert_eq!(ended, ["news", "sport"].map(channel));
    server.service.unsubscribe_mail(token).await.unwrap();
    let left = registered_of(&server, TargetKind::Smtp).await;
    assert_eq!(left.len(), 1);
    // What was collected before is not sent, although the address has another registration.
    server.clock.advance(15 * MINUTE);
    until_done(&server, 2).await;
    assert!(mails.is_empty());
}

pub(super) async fn a_digest_lists_what_its_user_has_missed(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(0);
    let server = sending(env, &mailbox).await;
    let away = Away {
        delay: Duration::from_secs(30),
        user: UserId::parse("ann"),
    };
    register(&server, "presence-room", "15m", Some(away)).await;
    for text in ["missed one", "missed two"] {
        server.publish(&["presence-room"], "e", text, true).await;
    }
    until_collected(&server, 2, Duration::ZERO).await;
    server.clock.advance(Duration::from_secs(30));
    until_collected(&server, 2, 14 * MINUTE).await;
    let mut ann = server.client().await;
    ann.join("presence-room", json!({"user_id": "ann"})).await;
    server.publish(&["presence-room"], "e", "seen", true).await;
    until_ended(&server, 3).await;
    assert!(mails.is_empty());
    server.clock.advance(15 * MINUTE);
    let mail = mails.next().await;
    assert_eq!(mail.subject, "[Pushi] 2 events");
    assert!(mail.text.contains("missed two") && !mail.text.contains("seen"));
    until_done(&server, 5).await;
    assert!(mails.is_empty());
}

pub(super) async fn one_of_two_nodes_sends_a_digest_once(env: &TestEnv) {
    let (mailbox, mut mails) = mailbox(0);
    let server = sending(env, &mailbox).await;
    register(&server, "news", "15m", None).await;
    server.publish_texts("news", &["one", "two", "three"]).await;
    until_collected(&server, 3, 14 * MINUTE).await;
    // A node that was killed while it had claimed the window.
    let end = server.clock_now().plus(15 * MINUTE);
    let claimed =
        env.stores
            .outbox
            .claim_targets(TargetKind::Smtp, "killed", end, end.plus(MINUTE), &[], 10);
    assert_eq!(claimed.await.unwrap().len(), 1);
    for _ in 0..2 {
        next_server_with(env, 20 * MINUTE, |setup| with_mailbox(setup, &mailbox));
    }
    assert_eq!(mails.next().await.subject, "[Pushi] 3 events");
    until_done(&server, 3).await;
    assert!(mails.is_empty());
}
