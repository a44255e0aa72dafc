//! The sections of the document.

use poem_openapi::Tags;

/// The sections of the document.
#[derive(Tags)]
pub(super) enum Section {
    /// Log in with an app's id, key and secret, for a token that authenticates the other calls.
    Sessions,
    /// Apps: credentials and settings. Creating and deleting requires the administrator's token.
    Apps,
    /// Publishing and history.
    Events,
    /// Users' persistent subscriptions to channels, which fill their inboxes.
    Subscriptions,
    /// Live connections.
    Sockets,
    /// The HTTP API of Pusher Channels, as its official server libraries use it. Each request is signed with the app's secret.
    #[oai(rename = "Pusher HTTP API")]
    Pusher,
    /// Health and readiness.
    Health,
}
