//! Metrics.

use std::time::Duration;

use crate::core::model::{AppIdent, TargetKind};

/// The origin of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The REST API.
    Rest,
    /// A WebSocket client.
    Client,
    /// A row that an application inserted in a transaction.
    Row,
}

/// Current values, computed on request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// The live connections of this node.
    pub connections: u64,
    /// The channel subscriptions of these connections.
    pub subscriptions: u64,
    /// Channels with at least one subscription.
    pub channels: u64,
    /// The bytes in all mailboxes.
    pub pending_bytes: u64,
    /// The bytes in the fullest mailbox.
    pub max_pending_bytes: u64,
    /// The bytes of answers that are being prepared or sent.
    pub answer_bytes: u64,
    /// Whether the other nodes can be reached; `None`: a single node.
    pub bus_up: Option<bool>,
    /// The bytes of publishes that wait for the store.
    pub append_queue_bytes: u64,
    /// The bytes of webhook events that wait for the store.
    pub webhook_queue_bytes: u64,
    /// The bytes of events that are not stored and whose targets are to be notified.
    pub notification_queue_bytes: u64,
    /// The bytes of messages that wait for the bus between nodes.
    pub bus_queue_bytes: u64,
    /// The time for which the oldest row of an application has waited to be published.
    pub row_lag: Duration,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Accepted publishes.
    pub publishes: u64,
    /// Frames added to mailboxes.
    pub deliveries: u64,
    /// Connections that were closed because they read too slowly.
    pub slow_readers: u64,
    /// Error frames, and failed calls of store and bus.
    pub errors: u64,
    /// Calls of the store, and their whole duration in seconds.
    pub store: (u64, f64),
    /// Messages through the bus, and their whole duration in seconds.
    pub bus: (u64, f64),
}

/// A queue whose bytes are bounded for each app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Publishes that wait for the store.
    Append,
    /// Webhook events that wait for the store.
    Webhook,
    /// Webhook events that wait for their receiver, in the store.
    Outbox,
    /// Events that are not stored and whose targets are to be notified.
    Notification,
    /// Messages that wait for the bus between nodes.
    Bus,
}

impl QueueKind {
    /// All queues.
    pub const ALL: [Self; 5] = [
        Self::Append,
        Self::Webhook,
        Self::Outbox,
        Self::Notification,
        Self::Bus,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Webhook => "webhook",
            Self::Outbox => "outbox",
            Self::Notification => "notification",
            Self::Bus => "bus",
        }
    }

    /// Why it does not accept an entry, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Append => {
                "publishes of the app that wait for the store reach PUSHI_MAX_QUEUED_BYTES: publish more slowly"
            }
            Self::Webhook => {
                "webhook events of the app that wait for the store reach PUSHI_MAX_QUEUED_BYTES"
            }
            Self::Outbox => {
                "webhook events of the app that wait for their receivers reach PUSHI_MAX_OUTBOX_BYTES: see pushi webhook list"
            }
            Self::Notification => {
                "notifications of events that are not stored reach PUSHI_MAX_QUEUED_BYTES or PUSHI_MAX_OUTBOX_BYTES of the app: targets are not notified of them"
            }
            Self::Bus => {
                "messages of the app that wait for Redis reach PUSHI_MAX_QUEUED_BYTES: publish more slowly"
            }
        }
    }
}

/// Counts events. Called on hot paths, with totals of many events at once: never waits and never allocates.
pub trait Metrics: Send + Sync {
    /// A connection was admitted.
    fn opened(&self);
    /// A connection ended, for this reason.
    fn closed(&self, reason: &'static str);
    /// A frame with this number of bytes was received.
    fn received(&self, bytes: usize);
    /// Frames were sent.
    fn sent(&self, frames: u64, bytes: u64);
    /// The number of frames sent since the start.
    fn frames_sent(&self) -> u64;
    /// The totals since the start, for a task that reads them now and then.
    fn totals(&self) -> Totals;
    /// An event was published.
    fn published(&self, source: Source, persisted: bool);
    /// Rows that applications inserted could not be published.
    fn rows_rejected(&self, rows: u64);
    /// A frame was added to this number of mailboxes.
    fn delivered(&self, mailboxes: u64);
    /// An error frame with this code was sent.
    fn error_sent(&self, code: u16);
    /// An answer was refused, because too many were being prepared or sent.
    fn answer_refused(&self);
    /// A call of the store or of the bus ended.
    fn call_finished(&self, call: Call, took: Duration, failed: bool);
    /// One webhook request with this number of events was delivered, given up, or failed.
    fn webhook_attempted(&self, outcome: WebhookOutcome, events: u64);
    /// Attempts to notify targets of a kind ended.
    fn notified(&self, kind: TargetKind, outcome: NotificationOutcome, attempts: u64);
    /// An attempt to send a direct message ended.
    fn direct_message(&self, kind: TargetKind, outcome: NotificationOutcome);
    /// A login failed; `throttled`: it was not judged, after too many before.
    fn login_failed(&self, credential: GuessedCredential, throttled: bool);
    /// The events queued for webhooks, of all apps and nodes.
    fn outbox(&self, waiting: u64);
    /// A queue did not accept this number of entries of an app.
    fn queue_refused(&self, queue: QueueKind, app: &AppIdent, entries: u64);
    /// A client reached a limit of HTTP.
    fn http_refused(&self, reason: HttpRefusal);
    /// An HTTP connection was opened (1) or ended (-1).
    fn http_connections(&self, change: i64);
}

/// The limit of HTTP that a client reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpRefusal {
    /// The connections of the node.
    Connections,
    /// The connections of one address.
    ConnectionsOfAddress,
    /// The connections that have not sent their first request head.
    Handshakes,
    /// The bytes of a request's body.
    BodyBytes,
    /// The time of a request's body.
    BodyTimeout,
}

impl HttpRefusal {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::Handshakes => "handshakes",
            Self::BodyBytes => "body_bytes",
            Self::BodyTimeout => "body_timeout",
        }
    }
}

/// The outcome of a webhook request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The address accepted it.
    Delivered,
    /// It failed and is retried.
    Failed,
    /// It failed and is not retried.
    GivenUp,
}

impl WebhookOutcome {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// The outcome of an attempt to notify a target, or to send it a direct message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// The target accepted it.
    Delivered,
    /// It failed and is retried.
    Failed,
    /// It failed and is not retried.
    GivenUp,
}

impl NotificationOutcome {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// A call whose duration is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A commit of events.
    Append,
    /// A read of the store.
    Read,
    /// Any other write to the store.
    Write,
    /// A published message until it returns from the bus between nodes; failed: it did not return.
    Bus,
}

impl Call {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Read => "read",
            Self::Write => "write",
            Self::Bus => "bus",
        }
    }
}

/// What a failed login presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessedCredential {
    /// The id, key and secret of an app.
    Secret,
    /// The administrator's token.
    Token,
    /// The signature of a request.
    Signature,
}

impl GuessedCredential {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Token => "token",
            Self::Signature => "signature",
        }
    }
}
