//! Webhooks, case by case.

mod debounce;
mod delivery;
mod receiver;
mod restart;
mod retries;

use pushi::core::model::{Webhook, WebhookEvent};
use pushi::core::ports::Stores;
use pushi_test_support::{ServerSetup, TestEnv, TestServer};

/// A webhook that is told everything.
pub fn hook(url: &str) -> Webhook {
    Webhook {
        url: url.to_owned(),
        events: None,
        channel_prefix: None,
    }
}

/// The same, for some kinds alone.
pub fn hook_for(url: &str, events: &[WebhookEvent]) -> Webhook {
    Webhook {
        events: Some(events.to_vec()),
        ..hook(url)
    }
}

/// A server that tells these.
pub async fn webhook_server(env: &TestEnv, webhooks: Vec<Webhook>) -> TestServer<'_> {
    webhook_server_with(env, webhooks, |_| {}).await
}

pub async fn webhook_server_with(
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

/// Everything that waits for an app's addresses: what happened, on which channel, to whom.
pub async fn outbox(stores: &Stores, server: &TestServer<'_>) -> Vec<String> {
    let now = server.clock_now();
    let mut told = Vec::new();
    for claim in stores.outbox.claim("test", now, now, 100).await.unwrap() {
        for notice in stores.outbox.oldest(&claim, 1000).await.unwrap() {
            let user = notice
                .what
                .presence()
                .and_then(|(user, _)| user)
                .map(|user| format!(" {user}"))
                .unwrap_or_default();
            told.push(format!(
                "{} {}{user}",
                notice.what.kind().name(),
                notice.channel
            ));
        }
    }
    told
}

/// Makes a test of each case for one kind of store.
macro_rules! webhooks_on_every_store {
    ($kind:ty) => {
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; delivery:
            every_kind_of_happening_has_its_form,
            a_message_is_signed_and_has_its_headers,
            what_happens_together_is_told_together,
            a_webhook_is_told_what_it_wants,
            many_addresses_are_told_at_once,
            messages_keep_the_order_of_what_happened,
            an_app_without_webhooks_has_nothing_in_the_outbox,
            client_events_are_told_in_both_dialects,
            webhooks_that_are_set_later_are_told_from_then_on,
            of_two_nodes_one_tells,
            a_node_that_has_not_heard_of_a_webhook_tells_it_too,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; retries:
            what_failed_is_told_again_in_order,
            a_dead_address_delays_no_other,
            what_is_given_up_can_be_replayed,
            without_retries_it_is_tried_once,
            a_receiver_that_knows_the_old_secret_is_told,
            a_removed_webhook_is_given_up,
            private_addresses_are_refused,
            redirects_are_not_followed,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::webhooks; restart:
            what_was_recorded_is_told_after_a_restart,
            what_was_under_way_is_told_after_a_restart,
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
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate::webhooks; debounce:
        who_is_gone_for_three_seconds_has_left,
        who_comes_back_in_time_was_never_away,
        leaving_again_begins_anew,
        members_leave_before_their_channel_is_vacated,
        a_user_with_another_connection_has_not_left,
        a_killed_nodes_channels_are_vacated_at_its_next_start,
        who_comes_back_after_the_restart_was_never_away,
        what_a_dead_node_left_is_told_by_a_survivor,
        what_a_dead_node_did_not_tell_is_told_by_a_survivor,
        a_stop_leaves_it_to_the_next_start,
        webhooks_that_are_set_later_hear_who_leaves,
        a_store_that_is_away_loses_nothing,
    }
}
