//! The sections of the document.

use poem_openapi::Tags;

/// The sections of the document.
#[derive(Tags)]
pub enum Section {
    /// Logging in with an app's id, key and secret, for a token that the other calls take.
    Sessions,
    /// Apps: their credentials and settings. Creating and deleting is the administrator's.
    Apps,
    /// Publishing, and what was published.
    Events,
    /// Users' persistent subscriptions to channels, which fill their inboxes.
    Subscriptions,
    /// Who is connected.
    Sockets,
    /// The HTTP API of Pusher Channels, as its official server libraries use it. Each request is signed with the app's secret.
    #[oai(rename = "Pusher HTTP API")]
    Pusher,
    /// Whether the server can do its work.
    Health,
}
