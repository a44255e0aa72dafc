//! The sections of the document.

use poem_openapi::Tags;

/// The sections of the document.
#[derive(Tags)]
pub(super) enum Section {
    /// Session tokens, which are issued for an app's id, key and secret and authenticate the other requests.
    Sessions,
    /// Apps: credentials and settings. Creating and deleting requires the administrator's token.
    Apps,
    /// Publishing, and the history of stored events.
    Events,
    /// Persistent subscriptions of users to channels, which determine their inboxes.
    Subscriptions,
    /// Notification targets: addresses outside the connections that receive the events of a channel.
    Notifications,
    /// Live connections of an app.
    Sockets,
    /// Events over plain HTTP, for clients that cannot or need not hold a WebSocket.
    Streams,
    /// Messages to targets that a request names.
    Messaging,
    /// The HTTP API of Pusher Channels, as its official server libraries use it. Each request is signed with the app's secret.
    Pusher,
    /// What the console shows: channels, connections, deliveries and settings of an app.
    Console,
    /// Probes, the state of the server, and metrics.
    Health,
}
