//! What is counted.

use std::time::Duration;

/// Who published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A back end.
    Rest,
    /// A connected client.
    Client,
}

/// What stands now; counted when somebody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Live connections of this node.
    pub connections: u64,
    /// Their places on channels.
    pub subscriptions: u64,
    /// Channels with somebody on them.
    pub channels: u64,
    /// Bytes that wait in all mailboxes.
    pub waiting_bytes: u64,
    /// Bytes that wait in the fullest.
    pub most_waiting_bytes: u64,
    /// Whether this node and the others hear each other; `None`: it is alone, and meant to be.
    pub bus_up: Option<bool>,
}

/// Counts what happens. Called on hot paths, with totals for many at once: it never waits and allocates nothing.
pub trait Metrics: Send + Sync {
    /// A connection was taken in.
    fn opened(&self);
    /// A connection has ended, for this reason.
    fn closed(&self, reason: &'static str);
    /// A frame of so many bytes came.
    fn received(&self, bytes: usize);
    /// Frames went out.
    fn sent(&self, frames: u64, bytes: u64);
    /// Somebody published.
    fn published(&self, source: Source, persisted: bool);
    /// A frame was put into so many mailboxes.
    fn delivered(&self, mailboxes: u64);
    /// A client got an error frame with this code.
    fn error_sent(&self, code: u16);
    /// A call of the store or of the bus ended.
    fn call_finished(&self, call: Call, took: Duration, failed: bool);
    /// So many notices were delivered to a webhook together, were given up, or an attempt to deliver them failed.
    fn webhook_attempted(&self, outcome: WebhookOutcome, notices: u64);
    /// So many notices wait for webhooks, over all apps and nodes.
    fn outbox(&self, waiting: u64);
}

/// What became of a delivery to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again.
    Failed,
    /// It was not, and is not tried again.
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

/// A call whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The store commits events.
    Append,
    /// The store is read.
    Read,
    /// Something else is written to the store.
    Write,
    /// A message that was published comes back from the bus that several nodes share; failed: it never did.
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
