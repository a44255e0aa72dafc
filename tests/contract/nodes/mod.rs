//! The contract of the ports between nodes: bus and presence. The cases are listed once, here, and every adapter runs all
//! of them; those that need two nodes run with both places on one where the adapter knows no others.

mod bus;
mod local;
mod presence;
mod recording_sink;
pub(crate) mod redis;

pub(crate) use recording_sink::RecordingSink;

use std::sync::Arc;

use pushi::core::ports::{Bus, PresenceStore};
/// A bus that connects nodes.
pub(crate) trait Meeting: Sized + Sync {
    /// A new one, apart from all others; `None` where it needs a server and none was named.
    async fn start() -> Option<Self>;

    /// Runs after the case.
    async fn close(self) {}

    /// A node; a further one wherever the adapter has such a thing.
    async fn node(&self) -> Node;

    /// Whether the adapter connects several nodes.
    const SEVERAL: bool;
}

/// One node, and the messages that it receives.
#[derive(Clone)]
pub(crate) struct Node {
    pub bus: Arc<dyn Bus>,
    pub presence: Arc<dyn PresenceStore>,
    pub sink: Arc<RecordingSink>,
    /// Dropped with the node.
    _life: Arc<dyn std::any::Any + Send + Sync>,
}

macro_rules! contract_of_nodes {
    ($adapter:ty) => {
        pushi_test_support::cases! { $adapter as crate::nodes::Meeting, crate::nodes; bus:
            published_messages_arrive_everywhere_unchanged,
            the_order_of_a_channel_is_kept,
            a_channel_is_received_once_watch_returns,
            a_thousand_channels_are_watched_at_once,
            unwatched_channels_are_not_received,
            a_channel_is_received_again_after_unwatch,
            control_messages_reach_every_node,
            user_changes_reach_the_nodes_of_the_personal_channel,
            peer_channels_are_watched_with_their_presence_channel,
        }
        pushi_test_support::cases! { $adapter as crate::nodes::Meeting, crate::nodes; presence:
            one_of_concurrent_first_connections_announces,
            only_the_first_and_the_last_connection_announce,
            a_connection_that_is_there_gets_its_data_replaced,
            the_newest_data_count,
            leaving_without_a_join_does_nothing,
            a_full_channel_takes_no_new_user,
            members_come_in_the_order_in_which_they_came,
            announcements_have_growing_versions_in_one_order,
            members_in_a_join_answer_are_not_announced_again,
            unusual_names_and_data_are_distinguished,
            peers_are_known_on_every_node_that_watches,
        }
    };
}

mod on_local {
    contract_of_nodes!(crate::nodes::local::Local);
}

mod on_redis {
    contract_of_nodes!(crate::nodes::redis::Redis);
}
