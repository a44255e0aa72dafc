//! The Pusher dialect, case by case. The cases are listed once, here, and run once on every kind of store.

mod cache;
mod channels;
mod client_events;
mod connecting;
mod frames;
mod history;
mod interop;
mod pings;
mod presence;
mod subscription_count;
mod users;
mod watchlists;

/// Makes a test of each case for one kind of store.
macro_rules! pusher_on_every_store {
    ($kind:ty) => {
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; connecting:
            the_greeting_names_the_socket_and_the_activity_timeout,
            the_activity_timeout_is_never_zero,
            unsupported_versions_are_rejected,
            rejected_connections_get_an_error_and_are_closed,
            shutdown_closes_with_4200,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; pings:
            a_ping_is_answered_by_a_pong,
            a_silent_client_is_pinged,
            a_pong_or_anything_else_is_a_sign_of_life,
            an_unanswered_ping_closes_with_4201,
            pings_do_not_keep_an_idle_connection_open,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; frames:
            invalid_frames_have_their_error_codes,
            data_may_be_an_object_or_a_string_of_json,
            other_events_are_refused,
            a_subscription_error_arrives_on_its_channel,
            names_hold_few_characters_and_at_most_two_hundred,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; channels:
            a_public_channel_needs_nothing,
            a_private_channel_needs_its_signature,
            an_encrypted_channel_is_a_private_one,
            subscribers_get_events_in_this_form,
            subscribing_again_is_answered_again,
            there_is_no_answer_to_leaving,
            a_publish_to_several_channels_arrives_once_per_channel,
            the_excepted_socket_gets_nothing,
            channels_of_a_socket_are_bounded,
            a_personal_channel_needs_its_user_or_a_signature,
            a_name_that_begins_with_peer_is_an_ordinary_one,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; presence:
            the_answer_counts_and_lists_everybody,
            joins_and_leaves_are_announced,
            several_connections_are_one_member,
            the_signature_must_cover_the_channel_data,
            user_ids_are_strings_or_numbers,
            channel_data_must_name_a_user,
            channel_data_has_a_kilobyte,
            a_full_channel_takes_no_new_user,
            signed_in_the_user_is_the_member,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; client_events:
            the_others_get_it,
            on_presence_channels_it_names_the_user,
            the_app_must_allow_them,
            only_private_and_presence_channels_have_them,
            non_subscribers_may_not_send_them,
            too_fast_is_4301_and_the_connection_stays,
            invalid_names_are_refused,
            they_are_kept_only_where_replay_names_the_channel,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; users:
            signing_in_is_answered,
            a_refused_sign_in_closes_the_connection,
            signing_in_again_is_for_the_same_user_only,
            a_users_channel_is_for_that_user_alone,
            no_signature_opens_a_users_channel,
            terminating_closes_the_users_connections,
            an_app_can_require_it_in_time,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; watchlists:
            subscribing_returns_the_members,
            changes_are_announced,
            only_the_first_and_the_last_connection_count,
            only_the_first_hundred_are_watched,
            a_closed_connection_watches_no_one,
            a_change_is_announced_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; subscription_count:
            every_subscriber_gets_the_count,
            only_where_the_app_wants_it,
            large_counts_are_sent_every_five_seconds,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; cache:
            the_last_event_follows_the_subscription,
            every_kind_of_cache_channel_has_it,
            where_there_is_none_it_is_a_miss,
            after_half_an_hour_it_is_a_miss,
            whispers_are_not_the_channels_state,
            the_cached_event_arrives_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; history:
            the_newest_events_follow_the_subscription,
            without_a_prefix_nothing_is_stored,
            since_a_serial_replays_all_later_events,
            since_a_pruned_serial_is_not_recovered,
            since_now_replays_nothing,
            any_other_since_is_refused,
            stored_events_carry_their_place,
            subscribers_see_every_serial_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate::pusher; interop:
            events_reach_the_other_dialect_in_its_own_form,
            presence_has_one_list,
            a_user_of_both_dialects_is_one_member,
            a_members_text_is_the_same_in_both_dialects,
            peer_channels_are_for_pushi_sockets_alone,
            a_personal_channel_brings_what_the_user_follows,
            whispers_reach_pushi_sockets,
            pushi_sockets_get_no_counts_or_cache_misses,
            no_pushi_socket_is_on_a_users_channel,
            through_a_personal_channel_nobody_is_another_user,
        }
    };
}

mod on_memory {
    pusher_on_every_store!(pushi_test_support::Memory);
}

mod on_sqlite {
    pusher_on_every_store!(pushi_test_support::SqliteFile);
}

mod on_postgres {
    pusher_on_every_store!(pushi_test_support::Postgres);
}

mod on_mongodb {
    pusher_on_every_store!(pushi_test_support::Mongo);
}
