//! Webhooks, case by case.

mod bounds;
mod debounce;
mod delivery;
mod restart;
mod retries;

use pushi::core::model::{Webhook, WebhookEvent};
use pushi::core::ports::Stores;
use pushi_test_support::{ServerSetup, TestEnv, TestServer};

/// A webhook for all events.
pub(crate) fn hook(url: &str) -> Webhook {
    Webhook {
        url: url.into(),
        events: None,
        channel_prefix: None,
    }
}

/// The same, for some kinds alone.
pub(crate) fn hook_for(url: &str, events: &[WebhookEvent]) -> Webhook {
    Webhook {
        events: Some(events.to_vec()),
        ..hook(url)
    }
}

/// A server that sends these webhooks.
pub(crate) async fn webhook_server(env: &TestEnv, webhooks: Vec<Webhook>) -> TestServer<'_> {
    webhook_server_with(env, webhooks, |_| {}).await
}

pub(crate) async fn webhook_server_with(
    env: &TestEnv,
    webhooks: Vec<Webhook>,
    set: impl FnOnce(&mut ServerSetup),
) -> TestServer<'_> {
    env.server_with(|setup| {
        (setup.record_webhooks, setup.send_webhooks) = (true, true);
        setup.settings.webhooks = webhooks;
        setup.settings.client_events = true;
        set(setup);
    })
    .await
}

/// All events in the queues of an app's addresses: kind, channel and user.
pub(crate) async fn outbox(stores: &Stores, server: &TestServer<'_>) -> Vec<String> {
    let now = server.clock_now();
    let mut told = Vec::new();
    for claim in stores.outbox.claim("test", now, now, 100).await.unwrap() {
        for notice in stores.outbox.oldest(&claim, 1000).await.unwrap() {
            let user = notice
                .kind
                .presence()
                .and_then(|(user, _)| user)
                .map(|user| format!(" {user}"))
                .unwrap_or_default();
            told.push(format!("{} {}{user}", notice.kind.name(), notice.channel));
        }
    }
    told
}

/// Makes a test of each case for one kind of store.
macro_rules! webhooks_on_every_store {
    ($kind:ty) => {
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; delivery:
            every_event_kind_has_its_form,
            a_message_is_signed_and_has_its_headers,
            simultaneous_events_are_sent_together,
            a_webhook_gets_only_its_events,
            many_addresses_are_called_concurrently,
            messages_keep_the_order_of_events,
            an_app_without_webhooks_has_nothing_in_the_outbox,
            client_events_reach_webhooks_from_both_dialects,
            webhooks_set_later_get_later_events,
            one_of_two_nodes_sends,
            a_node_with_stale_settings_sends_new_webhooks,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; retries:
            failed_events_are_resent_in_order,
            an_unreachable_address_delays_no_other,
            abandoned_events_can_be_replayed,
            without_retries_it_is_tried_once,
            a_receiver_with_the_old_secret_is_sent_the_old_signature,
            a_removed_webhook_is_given_up,
            private_addresses_are_refused,
            redirects_are_not_followed,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; restart:
            queued_events_are_sent_after_a_restart,
            events_in_flight_are_sent_after_a_restart,
            another_nodes_claim_is_respected_until_it_ends,
        }
    };
}

mod on_memory {
    webhooks_on_every_store!(pushi_test_support::Memory);
}

mod on_sqlite {
    webhooks_on_every_store!(pushi_test_support::SqliteFile);
}

mod on_postgres {
    webhooks_on_every_store!(pushi_test_support::Postgres);
}

mod on_mongodb {
    webhooks_on_every_store!(pushi_test_support::Mongo);
}

mod paused {
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate::webhooks; bounds:
        a_flood_with_many_webhooks_delays_no_other_app,
        lost_events_are_counted_listed_and_made_up_for,
        departures_over_the_bound_are_made_up_for,
        the_outbox_of_an_app_is_bounded,
        client_events_that_are_not_allowed_reach_no_webhook,
    }
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate::webhooks; debounce:
        an_absence_of_three_seconds_is_reported,
        a_reconnect_in_time_is_not_reported,
        leaving_again_begins_anew,
        members_leave_before_their_channel_is_vacated,
        a_user_with_another_connection_has_not_left,
        a_killed_nodes_channels_are_vacated_at_its_next_start,
        a_reconnect_after_a_restart_is_not_reported,
        a_survivor_reports_the_members_of_a_dead_node,
        a_survivor_reports_what_a_dead_node_did_not,
        a_stop_leaves_it_to_the_next_start,
        webhooks_set_later_get_member_removed,
        an_outage_of_the_store_loses_nothing,
    }
}
