//! The Pushi protocol, case by case, through the WebSocket edge. The cases are listed once, here, and run once on every
//! kind of store; those that the store has no part in, or that bring a store of their own, run once.

mod client;
mod connecting;
mod frame;
mod house;
mod names;
mod signatures;
mod site;

/// Makes a test of each case for one kind of store.
macro_rules! on_every_store {
    ($kind:ty) => {
        on! { $kind; connecting:
            the_greeting_names_the_socket,
            an_unknown_key_is_told_and_closed_with_4001,
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
        on! { $kind; signatures:
            a_public_channel_needs_nothing,
            a_public_channel_takes_any_auth,
            a_good_signature_is_taken,
            a_missing_signature_is_refused,
            a_wrong_signature_is_refused,
            who_was_refused_is_not_on_the_channel,
            a_refusal_keeps_what_the_socket_had,
            the_secret_before_a_rotation_is_good_until_it_is_dropped,
            channel_data_may_be_signed,
            an_app_can_require_that_channel_data_is_signed,
            an_object_is_signed_as_it_stands_in_the_frame,
            the_setting_holds_at_once,
        }
        on! { $kind; names:
            frames_that_say_nothing_have_their_codes,
            events_of_the_protocol_that_there_are_not_are_4313,
            what_is_missing_or_of_a_wrong_type_is_4314,
            names_that_may_not_be_are_4315,
            names_may_hold_what_is_printed,
            names_that_differ_are_other_channels,
            a_ref_is_repeated_in_every_error,
            unknown_members_are_passed_over,
        }
    };
}

macro_rules! on {
    ($kind:ty; $suite:ident: $($case:ident,)+) => {
        mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let site = <$kind as $crate::site::Kind>::site().await;
                    $crate::$suite::$case(&site).await;
                    site.close().await;
                }
            )+
        }
    };
}

mod memory {
    on_every_store!(crate::site::Memory);
}

mod sqlite {
    on_every_store!(crate::site::SqliteFile);
}
