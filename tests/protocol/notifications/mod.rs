//! Notifications of targets, case by case.

mod away;
mod delivery;
mod digests;
mod kinds;
mod retries;

use std::sync::Arc;
use std::time::Duration;

use pushi::core::model::{
    LoggedNotification, NewTarget, NotificationFilter, NotificationTarget, Secret, TargetFilter,
    TargetKind,
};
use pushi::core::service::{RegisterTarget, Service};
use pushi_test_support::{ServerSetup, TestEnv, TestServer, channel, until};

/// A server that notifies targets.
pub(crate) async fn notifying(env: &TestEnv) -> TestServer<'_> {
    env.server_with(|setup| setup.notify = true).await
}

/// Another server on the same store, whose clock is ahead by this much.
pub(crate) fn next_server(env: &TestEnv, later: Duration) {
    next_server_with(env, later, |_| {});
}

/// See [`next_server`].
fn next_server_with(env: &TestEnv, later: Duration, set: impl FnOnce(&mut ServerSetup)) {
    let mut setup = ServerSetup::over(&env.stores);
    set(&mut setup);
    setup.clock.advance(later);
    let service = Arc::new(Service::new(setup.ports, setup.rules, setup.hub).unwrap());
    let (expanding, sending) = (Arc::clone(&service), service);
    let (first, second) = (env.stop.clone(), env.stop.clone());
    env.spawn(async move { expanding.parts().expander.run(first.cancelled()).await });
    env.spawn(async move {
        let parts = sending.parts();
        parts.notification_sender.run(second.cancelled()).await;
    });
}

/// Registers a web hook.
pub(crate) async fn register(server: &TestServer<'_>, url: &str, name: &str) {
    register_target(server, TargetKind::Web, url, name).await;
}

/// Registers a target; a browser has the keys of the example in RFC 8291.
pub(crate) async fn register_target(
    server: &TestServer<'_>,
    kind: TargetKind,
    address: &str,
    name: &str,
) {
    let key = |text: &str| (kind == TargetKind::WebPush).then(|| Secret::new(text));
    let target = NewTarget {
        kind,
        channel: channel(name),
        address: Secret::new(address),
        p256dh: key(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        ),
        auth: key("BTBZMqHH6r4Tts7J_aSIgg"),
        away: None,
        digest: None,
    };
    let address = target.address.expose();
    let auth =
        pushi::core::auth::channel_auth(&server.app.key, &server.app.secret, address, name, None);
    let request = RegisterTarget {
        auth: Some(auth),
        target,
        only: false,
    };
    server
        .service
        .register_target(&server.app, request)
        .await
        .unwrap();
}

/// The app's web hooks.
pub(crate) async fn registered(server: &TestServer<'_>) -> Vec<NotificationTarget> {
    registered_of(server, TargetKind::Web).await
}

/// The app's targets of a kind.
pub(crate) async fn registered_of(
    server: &TestServer<'_>,
    kind: TargetKind,
) -> Vec<NotificationTarget> {
    let (app, any) = (&server.app.ident, TargetFilter::default());
    let service = &server.service;
    let found = service.list_targets(app, kind, &any, 0, 100);
    found.await.unwrap()
}

/// The app's notifications.
pub(crate) async fn logged(server: &TestServer<'_>) -> Vec<LoggedNotification> {
    let filter = NotificationFilter::default();
    let service = &server.service;
    let found = service.notifications(&server.app.ident, filter, 100).await;
    found.unwrap()
}

/// Waits until nothing is due and nothing waits.
pub(crate) async fn until_done(server: &TestServer<'_>, ended: usize) {
    let done = async || {
        let logged = logged(server).await;
        logged.len() == ended && logged.iter().all(|one| one.next_attempt.is_none())
    };
    until("notifications are not done", done).await;
}

/// Makes a test of each case for one kind of store.
macro_rules! notifications_on_every_store {
    ($kind:ty) => {
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::notifications; delivery:
            an_event_is_posted_to_the_web_hooks_of_its_channel,
            a_web_hook_gets_the_events_that_its_user_follows,
            a_target_is_notified_once_of_a_publish,
            events_that_are_not_stored_are_sent_too,
            an_event_of_a_socket_is_sent,
            a_removed_target_is_not_notified,
            what_is_due_is_sent_after_a_restart,
            one_of_two_nodes_sends,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::notifications; kinds:
            a_browser_is_sent_the_event_encrypted,
            a_browser_that_is_gone_is_removed,
            a_push_service_that_is_busy_is_asked_later,
            a_message_that_is_never_accepted_is_given_up,
            events_wait_for_credentials,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::notifications; away:
            a_user_who_stays_away_is_notified_after_the_delay,
            a_user_who_receives_the_event_is_not_notified,
            a_user_who_comes_back_before_the_end_is_not_notified,
            a_target_that_is_always_notified_gets_an_event_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::notifications; digests:
            the_events_of_a_window_are_sent_in_one_mail,
            a_digest_is_retried_with_what_came_since,
            an_address_gets_an_event_in_one_mail_of_several,
            one_click_ends_what_a_digest_lists,
            a_digest_lists_what_its_user_has_missed,
            one_of_two_nodes_sends_a_digest_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::notifications; retries:
            the_next_notification_begins_with_its_first_attempt,
            a_failed_notification_is_retried_in_order,
            a_target_that_hangs_delays_no_other,
            a_target_that_is_gone_is_removed,
            an_abandoned_notification_can_be_replayed,
        }
    };
}

mod on_memory {
    notifications_on_every_store!(pushi_test_support::Memory);
}

mod on_sqlite {
    notifications_on_every_store!(pushi_test_support::SqliteFile);
}

mod on_postgres {
    notifications_on_every_store!(pushi_test_support::Postgres);
}

mod on_mongodb {
    notifications_on_every_store!(pushi_test_support::Mongo);
}
