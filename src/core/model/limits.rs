//! Limits of the server and of an app.

/// The configured limits of the server; 0: no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the node.
    pub connections: u64,
    /// New connections a second of the node.
    pub connects_per_second: u64,
    /// Failed logins in a row of one client address and app; then one a second.
    pub failed_logins: u64,
    /// Bytes of one WebSocket message from a client.
    pub message_bytes: u64,
    /// Bytes of an HTTP body.
    pub body_bytes: u64,
    /// HTTP connections of the node.
    pub http_connections: u64,
    /// HTTP connections of one address that is no trusted proxy.
    pub http_connections_per_address: u64,
    /// Bytes of `data` over the Pusher HTTP API.
    pub data_bytes: u64,
    /// Subscriptions of a socket, aliases not counted.
    pub channels_per_connection: u64,
    /// Characters of a channel's name.
    pub channel_name: u64,
    /// Characters of an event's name.
    pub event_name: u64,
    /// Members of a presence channel.
    pub members: u64,
    /// Bytes of one member's channel data.
    pub member_bytes: u64,
    /// Pusher `client-` events a second and socket.
    pub client_events: u64,
    /// Publishes a second of a Pushi socket.
    pub publishes: u64,
    /// Bytes in the mailbox of a slow client.
    pub pending_bytes: u64,
    /// Bytes of an app in each queue of this node: publishes that wait for the store or the bus, webhook events.
    pub queued_bytes: u64,
    /// Bytes of all apps in each of these queues.
    pub queued_bytes_all: u64,
    /// Bytes of webhook events of an app that are stored and wait for their receivers.
    pub outbox_bytes: u64,
    /// Bytes of the events in an answer to a WebSocket client, the members of a presence channel not counted.
    pub answer_bytes: u64,
    /// Bytes of all answers of the node that are being prepared or sent.
    pub answers_bytes: u64,
    /// Events replayed by `since`; with `paging`, in each page.
    pub replay: u64,
    /// Events in one response of `latest` or `GET /events`.
    pub history: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            connects_per_second: 0,
            failed_logins: 10,
            message_bytes: 65_536,
            body_bytes: 262_144,
            http_connections: 10_000,
            http_connections_per_address: 1000,
            data_bytes: 10_240,
            channels_per_connection: 1000,
            channel_name: 200,
            event_name: 200,
            members: 20_000,
            member_bytes: 1024,
            client_events: 10,
            publishes: 0,
            pending_bytes: 1_048_576,
            queued_bytes: 16_777_216,
            queued_bytes_all: 67_108_864,
            outbox_bytes: 67_108_864,
            answer_bytes: 1_048_576,
            answers_bytes: 33_554_432,
            replay: 1000,
            history: 100,
        }
    }
}

/// An app's own limits; `None`: the server's limit applies; 0: no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppLimits {
    /// Connections of the app.
    pub max_connections: Option<u64>,
    /// See [`Limits::message_bytes`].
    pub max_message_bytes: Option<u64>,
    /// See [`Limits::data_bytes`].
    pub max_data_bytes: Option<u64>,
    /// See [`Limits::channels_per_connection`].
    pub max_channels_per_connection: Option<u64>,
    /// See [`Limits::members`].
    pub max_members: Option<u64>,
    /// See [`Limits::member_bytes`].
    pub max_member_bytes: Option<u64>,
    /// See [`Limits::client_events`].
    pub max_client_events: Option<u64>,
    /// See [`Limits::publishes`].
    pub max_publishes: Option<u64>,
}
