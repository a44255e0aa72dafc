//! The contract of the storage ports: each case is a sentence of `core::ports` or of a store's specification. The cases
//! are listed once, here, and every adapter runs all of them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod app_deletion;
mod apps;
mod archive;
mod archive_subscriptions;
mod cache;
mod deliveries;
mod digests;
mod due_batches;
mod events;
mod fixture;
mod history;
mod hub;
mod inbox;
mod isolation;
mod member_change_batching;
mod mongo;
mod nodes;
mod notifications;
mod outage;
mod outbox;
mod outbox_bounds;
mod outbox_claims;
mod outbox_reported_presence;
mod postgres;
mod prune;
mod publish_rows;
mod roster;
mod samples;
mod sessions;
mod sqlite;
mod subscriptions;
mod targets;
mod upgrades;

/// Makes a test of each case for one adapter.
macro_rules! contract {
    ($adapter:ty) => {
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; apps:
            a_created_app_is_read_back_by_ident_by_key_and_in_the_list,
            a_taken_ident_or_key_is_a_conflict_and_stores_nothing,
            one_of_twenty_concurrent_creates_succeeds,
            one_of_twenty_concurrent_first_apps_is_created,
            an_update_is_read_back_whole,
            an_update_changes_neither_id_nor_ident_nor_creation,
            an_update_of_a_stale_version_is_a_conflict,
            an_update_to_a_taken_key_is_a_conflict,
            an_app_that_is_not_there_is_not_found,
            the_list_goes_on_after_an_id,
            the_revision_differs_after_each_change_by_any_instance,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; app_deletion:
            a_deleted_app_takes_everything_with_it,
            an_app_created_again_starts_empty,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; events:
            serials_are_contiguous_from_one_in_each_channel,
            ids_are_unique_in_the_app_and_grow_with_the_serial,
            every_field_is_read_back,
            concurrent_appends_of_several_instances_leave_no_gap_and_no_double,
            batches_over_many_channels_and_apps_do_not_block_each_other,
            a_large_batch_keeps_its_order,
            an_empty_batch_answers_nothing,
            appended_events_survive_reopening,
            a_mid_that_is_there_is_a_conflict,
            events_of_an_app_that_is_not_there_are_not_found_and_the_others_are_stored,
            positions_find_stored_events,
            cancelled_append_is_all_or_nothing,
            heads_are_answered_in_order_with_zero_for_none,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; history:
            history_is_newest_first_below_a_serial,
            history_at_its_edges,
            replay_is_oldest_first_within_its_bounds,
            replay_at_its_edges,
            recent_goes_over_all_channels_by_id,
            bounds_beyond_what_a_column_holds_mean_no_bound,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; inbox:
            an_inbox_holds_what_came_after_subscribing,
            an_ended_subscription_keeps_what_came_before_its_end,
            the_inbox_skips_events_between_two_subscriptions,
            the_personal_channel_is_in_the_inbox_without_subscribing,
            overlapping_intervals_hold_each_event_once,
            an_inbox_is_merged_by_id_over_channels,
            an_inbox_is_paged_by_skip_and_limit,
            an_inbox_goes_on_where_events_were_pruned,
            an_inbox_goes_past_channels_whose_newest_events_were_pruned,
            an_event_costs_one_row_however_many_are_subscribed,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; prune:
            events_before_a_time_are_removed,
            all_but_the_newest_of_each_channel_are_removed,
            pruning_stops_at_its_limit_and_goes_on,
            heads_stay_and_serials_go_on_after_pruning,
            a_writer_that_missed_a_pruning_goes_on_behind_it,
            nothing_is_pruned_without_a_bound,
            a_pruned_mid_has_no_position,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; subscriptions:
            a_subscription_begins_at_the_head,
            the_same_again_answers_the_one_that_is_there,
            twenty_callers_adding_the_same_make_one,
            an_end_is_answered_once,
            a_subscription_begins_anew_after_its_end,
            subscribing_to_an_app_that_is_not_there_is_not_found,
            the_list_holds_open_ones_by_id_and_is_paged,
            the_list_is_filtered_by_user_and_channel,
            channels_come_in_the_order_in_which_they_began,
            subscribing_and_ending_at_once_leaves_one_or_none,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; sessions:
            a_session_is_there_after_reopening,
            a_session_is_got_also_where_it_has_expired,
            the_same_hash_replaces_the_session,
            an_ended_session_is_gone_everywhere,
            all_sessions_of_an_app_end_everywhere,
            expired_sessions_are_pruned,
            a_session_of_an_app_that_is_not_there_is_not_found,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; cache:
            the_last_event_of_a_channel_is_there_for_every_instance,
            the_last_event_of_a_channel_wins,
            expired_events_are_got_until_they_are_pruned,
            events_of_an_app_that_is_not_there_are_not_kept,
            a_deleted_app_takes_its_cached_events_with_it,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; outbox:
            every_event_kind_is_read_back,
            each_address_has_a_queue_in_the_order_of_the_puts,
            events_of_an_unknown_app_are_skipped,
            a_deleted_app_takes_its_outbox_with_it,
            unusual_users_and_addresses_are_distinguished,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; outbox_reported_presence:
            duplicate_reports_are_written_once,
            concurrent_duplicate_reports_are_written_once,
            presence_is_recorded_without_webhooks,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; outbox_bounds:
            the_bytes_of_an_app_are_those_of_its_events,
            events_that_are_given_up_are_kept_and_those_discarded_are_not,
            the_oldest_events_are_bounded_in_bytes,
            lost_events_are_logged_without_an_attempt,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; outbox_claims:
            a_claim_is_exclusive_until_it_expires,
            concurrent_claims_share_no_address,
            delivered_events_are_removed_and_the_rest_stays,
            failed_events_stay_and_are_counted,
            claims_are_released_together,
            the_longest_due_come_first,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; targets:
            a_target_is_registered_once_and_read_back,
            the_condition_of_a_target_is_read_back_and_changed,
            twenty_callers_registering_the_same_make_one,
            targets_are_listed_by_address_and_channel,
            registrations_of_an_address_are_removed,
            a_browser_has_one_endpoint_and_one_key,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; due_batches:
            events_due_as_themselves_are_claimed_once,
            events_that_are_not_stored_any_more_are_not_due,
            imported_events_are_not_due,
            due_events_are_claimed_once_while_others_are_stored,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; notifications:
            due_events_are_claimed_by_one_and_resumed,
            apps_take_turns_with_due_events,
            a_publish_is_queued_once_for_each_target,
            a_publish_that_is_queued_again_while_it_is_sent_is_sent_once,
            notifications_are_listed_and_replayed,
            a_direct_message_is_queued_without_a_channel,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; digests:
            notifications_sent_together_are_logged_one_by_one,
            notifications_given_up_together_are_replayed_together,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; deliveries:
            the_log_lists_results_newest_first,
            queued_events_show_their_last_failure,
            abandoned_events_can_be_replayed_once,
            only_abandoned_events_can_be_replayed,
            a_replayed_address_is_due_at_once,
            old_deliveries_are_pruned,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; archive:
            events_are_put_at_their_places_and_new_ones_follow,
            events_come_by_number_and_are_paged,
            many_events_are_put_around_those_that_are_there,
            channels_come_by_name_and_are_paged,
            cached_events_are_read_by_channel,
            targets_are_put_and_read_by_kind,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; archive_subscriptions:
            subscriptions_are_put_with_their_intervals,
            intervals_come_by_user_and_are_paged_by_users,
            many_subscriptions_are_put,
        }
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; isolation:
            two_apps_never_see_each_other,
            unusual_names_are_distinguished_and_read_back,
            unusual_texts_are_read_back,
            a_store_that_was_closed_is_unavailable,
        }
    };
}

/// The same for adapters on a server, with the cases of outages.
macro_rules! contract_of_remote {
    ($adapter:ty) => {
        contract!($adapter);
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; outage:
            a_hanging_server_times_out_until_it_recovers,
            a_stopped_server_is_unavailable_until_it_restarts,
            an_interrupted_append_is_settled,
            a_hanging_append_is_settled,
        }
    };
}

/// The cases of stores that other programs can write.
macro_rules! contract_of_shared {
    ($adapter:ty) => {
        pushi_test_support::cases! { $adapter as crate::fixture::Fixture, crate; publish_rows:
            rows_become_events_in_order_and_once,
            a_row_that_several_nodes_move_is_stored_once,
            rows_of_an_app_that_is_not_there_stay,
            a_read_of_rows_is_bounded,
            apps_take_turns_with_their_rows,
            texts_of_rows_are_read_as_they_are,
            rejected_rows_are_moved_aside_and_pruned,
            one_holder_has_the_lease,
            an_insert_ends_the_wait,
            events_of_rows_are_marked_as_due,
        }
    };
}

mod on_memory {
    contract!(crate::fixture::Memory);
}

mod on_sqlite_file {
    contract!(crate::fixture::SqliteFile);
    contract_of_shared!(crate::fixture::SqliteFile);
}

mod on_sqlite_memory {
    contract!(crate::fixture::SqliteMemory);
}

mod on_postgres {
    contract_of_remote!(crate::fixture::Postgres);
    contract_of_shared!(crate::fixture::Postgres);
}

mod on_mongodb {
    contract_of_remote!(crate::fixture::Mongo<false>);
    contract_of_shared!(crate::fixture::Mongo<false>);
}

mod on_other_mongodb {
    contract_of_remote!(crate::fixture::Mongo<true>);
    contract_of_shared!(crate::fixture::Mongo<true>);
}

/// Makes a test of each case for one adapter of the roster.
macro_rules! roster_contract {
    ($adapter:ty) => {
        pushi_test_support::cases! { $adapter as crate::roster::nodes::Nodes, crate; roster:
            sockets_are_listed_in_order_and_paged,
            one_socket_is_found_wherever_it_is,
            occupied_channels_are_listed_by_prefix_and_paged,
            occupancy_counts_connections,
            exactly_one_recount_finds_each_turn,
            a_recount_announces_only_where_it_is_asked_to,
            the_last_announcement_carries_the_last_count,
            a_users_first_and_last_connection_announce_themselves,
            one_of_two_concurrent_first_ones_announces,
            online_users_have_a_version,
            users_of_a_presence_channel_count_once,
            rosters_of_two_apps_are_separate,
        }
    };
}

mod local_roster {
    roster_contract!(crate::roster::nodes::Alone);
}

mod redis_roster {
    roster_contract!(crate::roster::nodes::Together);
}
