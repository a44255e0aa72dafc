//! The Pushi protocol, case by case, through the WebSocket edge. The cases are listed once, here, and run once on every
//! kind of store; those that the store has no part in, or that bring a store of their own, run once.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod acks;
mod answers;
mod closing;
mod concurrency;
mod connecting;
mod documented;
mod fair_publishing;
mod fuzz;
mod history;
mod keepalive;
mod limits;
mod member_data;
mod multi_channel;
mod names;
mod notifications;
mod payloads;
mod peers;
mod personal;
mod presence;
mod presence_aliases;
mod publish_order;
mod publishing;
mod pusher;
mod recovery;
mod recreated_apps;
mod signatures;
mod slow_store;
mod store_outage;
mod timeouts;
mod token_expiry;
mod tokens;
mod user_token;
mod webhooks;

/// Makes a test of each case for one kind of store.
macro_rules! on_every_store {
    ($kind:ty) => {
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; connecting:
            the_greeting_names_the_socket,
            an_unknown_key_is_closed_with_4001,
            a_disabled_app_is_closed_with_4003,
            plain_connections_are_closed_with_4000_where_tls_is_asked,
            origins_are_held_to_the_apps_list,
            origins_are_held_to_the_servers_list,
            an_app_over_its_limit_is_closed_with_4004,
            an_app_over_its_limit_can_say_4100,
            a_limit_counts_who_is_there_now,
            a_node_over_its_limit_is_closed_with_4100,
            too_many_in_a_second_are_closed_with_4100,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; signatures:
            a_public_channel_needs_nothing,
            a_public_channel_takes_any_auth,
            a_good_signature_is_taken,
            credentials_are_any_printable_characters,
            a_missing_signature_is_refused,
            a_wrong_signature_is_refused,
            a_refused_client_is_not_subscribed,
            a_refusal_keeps_what_the_socket_had,
            the_secret_before_a_rotation_is_good_until_it_is_dropped,
            channel_data_may_be_signed,
            an_app_can_require_that_channel_data_is_signed,
            an_object_is_signed_as_it_stands_in_the_frame,
            the_setting_holds_at_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; names:
            invalid_frames_have_their_error_codes,
            events_of_the_protocol_that_there_are_not_are_4313,
            missing_or_mistyped_fields_are_4314,
            names_that_may_not_be_are_4315,
            names_may_hold_what_is_printed,
            names_that_differ_are_other_channels,
            a_ref_is_repeated_in_every_error,
            unknown_fields_are_ignored,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; presence:
            the_answer_lists_everybody,
            joins_and_leaves_are_announced,
            three_tabs_are_one_member,
            tabs_of_one_user_are_not_announced,
            resubscribe_announces_nothing,
            other_data_of_the_only_connection_is_a_leave_and_a_join,
            changing_user_announces_leave_and_join,
            changing_user_in_one_of_two_tabs_announces_join_only,
            members_are_listed_in_the_order_in_which_they_came,
            a_broken_connection_leaves,
            a_connection_leaves_all_its_channels,
            two_apps_have_lists_of_their_own,
            a_full_channel_takes_no_new_user,
            rejoin_as_other_user_on_full_channel_unsubscribes,
            nothing_of_a_channel_follows_a_refusal,
            a_large_channel_announces_each_member_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; member_data:
            the_newest_data_of_several_tabs_counts,
            a_numeric_user_id_is_its_text,
            channel_data_may_be_a_string,
            a_members_text_is_passed_on_as_it_was_signed,
            presence_without_a_user_id_is_4316,
            unusual_user_ids_are_distinguished,
            channel_data_over_the_limit_is_4318,
            a_refresh_that_is_refused_changes_nothing,
            one_of_two_first_connections_joins,
            a_list_and_its_announcements_agree,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; personal:
            the_socket_is_on_every_channel_that_the_user_follows,
            the_answer_holds_what_the_user_missed,
            the_answer_holds_the_last_ten,
            a_back_end_writes_to_one_user,
            a_new_user_subscription_is_joined_at_once,
            who_did_not_ask_to_follow_gets_the_events_alone,
            every_socket_of_the_user_follows,
            many_changes_end_in_the_last_state,
            unsubscribing_leaves_what_the_user_follows,
            a_channel_held_twice_is_left_when_both_have_ended,
            two_personal_channels_may_share_an_alias,
            subscribing_again_takes_new_channel_data,
            a_presence_channel_is_joined_with_the_channel_data,
            without_channel_data_a_presence_channel_is_receive_only,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; presence_aliases:
            the_direct_subscription_decides_the_user,
            after_the_alias_the_direct_one_stays,
            ending_the_direct_one_leaves_where_the_alias_has_no_data,
            the_remaining_of_two_aliases_decides,
            an_alias_subscribes_to_a_full_channel,
            alias_subscriptions_count_against_no_limit,
            the_user_is_the_one_in_the_personal_channels_name,
            unsigned_data_ceases_to_count_with_signed_presence,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; peers:
            two_who_are_present_share_a_channel,
            every_tab_of_both_users_receives_it,
            it_lasts_until_one_has_left,
            both_members_must_set_the_peer_flag,
            the_newest_tab_decides,
            more_than_two_may_share_one,
            a_base_may_hold_a_colon,
            users_are_sorted_by_code_point,
            a_name_may_have_two_thousand_bytes,
            a_peers_id_holds_no_separator,
            a_member_may_ask_for_the_past,
            a_listener_needs_a_signature,
            a_subscribed_member_receives_it_once,
            asking_for_the_past_counts_as_a_channel,
            two_apps_have_pairs_of_their_own,
            through_a_personal_channel_one_is_a_peer,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; publishing:
            subscribers_get_the_event,
            every_event_has_its_own_mid_and_serial,
            the_sender_gets_it_with_echo_alone,
            publishes_are_persisted_by_default,
            data_is_text_or_is_encoded_as_json,
            nothing_else_travels_from_a_socket,
            further_members_travel_from_a_back_end,
            non_subscribers_may_not_publish,
            an_app_can_keep_its_sockets_from_publishing,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; payloads:
            any_payload_is_given_back,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; publish_order:
            too_fast_is_4301,
            publishes_of_one_socket_keep_their_order,
            many_publishers_make_one_order,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; fair_publishing:
            a_large_publish_is_stored_in_parts_between_which_others_are,
            publishes_over_an_apps_bound_are_refused_and_others_are_not,
            a_publish_above_the_bound_is_accepted_where_nothing_waits,
            a_large_publish_that_fails_between_parts_can_be_repeated,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; acks:
            a_kept_publish_with_a_ref_is_acknowledged,
            no_ack_without_ref_or_persist,
            any_ref_is_echoed_unchanged,
            acknowledgements_come_in_the_order_of_the_publishes,
            acknowledged_events_are_in_the_history,
            the_same_key_stores_and_sends_once,
            a_key_is_kept_a_day,
            concurrent_publishes_with_one_key_store_one,
            a_key_is_the_apps_own,
            a_key_covers_all_channels_of_its_publish,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; recreated_apps:
            a_key_that_moves_leads_to_its_new_app,
            an_app_created_again_shares_nothing,
            a_key_used_with_the_predecessor_is_not_lost,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; history:
            the_newest_come_first,
            an_event_has_the_form_of_the_page,
            skip_and_count_make_pages,
            a_count_over_the_limit_is_cut,
            a_personal_channel_returns_the_inbox,
            a_presence_channel_also_returns_members,
            non_subscribers_may_not_query,
            pages_go_on_where_events_were_pruned,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; answers:
            a_replay_over_the_bound_is_not_recovered,
            a_client_that_pages_gets_every_event_once,
            events_between_the_pages_are_neither_lost_nor_repeated,
            more_than_the_replay_limit_is_read_in_pages,
            without_since_a_client_leaves_the_pages,
            an_event_over_the_bound_is_a_page,
            the_history_says_where_it_was_cut,
            a_personal_channel_is_read_in_pages,
            an_inbox_has_what_has_room,
            paging_is_true_or_false,
            a_client_that_does_not_take_its_answer_is_closed_with_4100,
            a_slow_client_that_reads_keeps_its_connection,
            an_app_whose_answers_are_not_read_does_not_stop_another,
            unread_lists_of_members_have_bounded_bytes,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; recovery:
            later_events_are_replayed_oldest_first,
            a_channel_without_events_has_serial_zero,
            above_the_newest_it_is_not_recovered,
            too_old_by_retention_it_is_not_recovered,
            too_old_by_the_replay_limit_it_is_not_recovered,
            any_other_value_is_an_error,
            every_kind_of_channel_has_it,
            a_personal_channel_goes_on_with_its_aliases,
            with_aliases_all_must_be_recovered,
            a_number_is_the_personal_channels_own,
            a_refresh_keeps_the_place,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; concurrency:
            subscribers_see_every_serial_once,
            a_personal_channel_sees_every_serial_of_its_aliases_once,
            going_on_without_leaving_has_no_gap_either,
            no_event_before_subscribed_or_after_unsubscribed,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; multi_channel:
            a_socket_on_several_gets_it_once,
            each_copy_has_its_own_place_and_the_same_publish,
            with_since_it_is_always_sent,
            the_same_channel_by_alias_and_directly_is_one,
            many_in_a_row_are_each_seen_once,
            many_at_once_are_each_seen_once,
        }
        pushi_test_support::cases! { $kind as pushi_test_support::StoreKind, crate; fuzz:
            json_of_all_kinds,
            text_of_all_kinds,
            bytes_of_all_kinds,
        }
    };
}

mod memory {
    on_every_store!(pushi_test_support::Memory);
}

mod sqlite {
    on_every_store!(pushi_test_support::SqliteFile);
}

mod postgres {
    on_every_store!(pushi_test_support::Postgres);
}

mod mongodb {
    on_every_store!(pushi_test_support::Mongo);
}

/// What the store has no part in, or brings a store of its own.
mod once {
    pushi_test_support::cases! { pushi_test_support::Memory as pushi_test_support::StoreKind, crate; store_outage:
        a_cached_app_is_served,
        an_outage_of_the_store_is_4320_where_it_is_needed,
        an_append_in_doubt_is_delivered_in_order_if_stored,
        each_of_many_in_doubt_is_settled,
        a_publish_that_was_not_stored_is_forgotten,
        no_more_than_64_are_unanswered,
        publishes_before_a_close_are_stored,
        the_same_key_in_one_commit_is_stored_once,
    }
    pushi_test_support::cases! { pushi_test_support::Memory as pushi_test_support::StoreKind, crate; slow_store:
        a_subscription_that_waits_holds_back_its_channel_alone,
        a_presence_subscription_that_waits_holds_back_its_peers,
        a_personal_subscription_that_waits_holds_back_what_is_new,
        a_subscription_that_fails_leaves_nothing_behind,
        a_connection_lost_during_subscribing_leaves_nothing,
        user_subscriptions_are_reloaded_until_known,
        two_subscriptions_are_answered_in_their_order,
    }
    pushi_test_support::cases! { pushi_test_support::Memory as pushi_test_support::StoreKind, crate; limits:
        a_binary_frame_is_4321,
        a_message_over_the_limit_is_4318_and_1009,
        error_and_close_frames_arrive_while_the_client_floods,
        fragments_are_one_message,
        an_apps_own_limit_holds_from_the_next_message_on,
        text_that_is_not_unicode_is_1007,
        a_slow_reader_is_closed_and_delays_no_other,
        a_slow_readers_user_has_left,
        a_client_that_does_not_read_answers_is_not_read,
        a_ping_is_answered_by_a_pong,
    }
    pushi_test_support::cases! { pushi_test_support::Memory as pushi_test_support::StoreKind, crate; closing:
        ends_are_recorded_with_their_reason,
        shutdown_closes_with_4200,
        connects_during_shutdown_are_rejected,
        accepted_publishes_are_stored_before_shutdown,
        after_the_end_publishes_are_refused,
        a_disabled_app_loses_its_connections,
        a_deleted_app_loses_its_connections,
        changes_by_another_process_apply_within_a_second,
        a_late_store_answer_is_reloaded,
        a_disabled_app_keeps_no_connection,
    }
    pushi_test_support::cases! { pushi_test_support::Memory as pushi_test_support::StoreKind, crate; tokens:
        a_covered_channel_needs_no_signature,
        what_a_token_lacks_is_named,
        a_token_signs_its_user_in,
        a_member_is_the_tokens_user,
        two_members_by_tokens_are_peers,
        a_token_in_the_address_is_held_from_the_start,
        a_token_that_is_not_valid_is_refused,
        a_token_of_the_app_itself_is_accepted,
        both_secrets_of_a_rotation_sign_tokens,
        a_token_that_covers_less_ends_channels,
        publish_is_a_claim_of_its_own,
        without_the_claim_publish_the_apps_settings_decide,
        the_pusher_dialect_takes_tokens,
    }
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate; token_expiry:
        what_a_token_granted_ends_with_it,
        a_fresh_token_extends,
        a_required_sign_in_is_one_by_a_token,
    }
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate; keepalive:
        a_silent_client_is_pinged,
        an_active_client_is_not_pinged,
        outgoing_frames_do_not_count_as_activity,
        an_unanswered_ping_closes_with_4201,
        an_idle_connection_is_closed_with_4202,
        pings_do_not_prevent_idle_closing,
        by_default_no_connection_is_idle,
    }
    pushi_test_support::cases! { #[tokio::test(start_paused = true)] pushi_test_support::Memory as pushi_test_support::StoreKind, crate; timeouts:
        a_request_fails_at_the_timeout,
        transient_publishes_wait_at_most_the_store_timeout,
        while_appends_are_in_doubt_no_publish_waits,
    }
}
