//! Webhook deliveries.

use std::sync::Arc;

use super::app::AppIdent;
use super::time::Timestamp;

/// The result of a webhook request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The HTTP status; `None`: there was no response.
    pub status: Option<u16>,
    /// A one-line description of the error.
    pub problem: Option<String>,
}

impl Attempt {
    /// Whether the response was a 2xx.
    pub fn succeeded(&self) -> bool {
        self.problem.is_none()
            && self
                .status
                .is_some_and(|status| (200..300).contains(&status))
    }
}

/// An entry of the delivery log: events that were delivered together, or given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// A number that is unique in the app, and grows.
    pub id: u64,
    /// The webhook's URL.
    pub address: Arc<str>,
    /// The time of the last attempt.
    pub at: Timestamp,
    /// The number of events.
    pub events: u64,
    /// The number of attempts.
    pub attempts: u64,
    /// The result of the last attempt.
    pub last: Attempt,
    /// Whether it was given up; its events are kept, and can be replayed.
    pub given_up: bool,
}

impl Delivery {
    /// Whether its events were lost: the app had reached a bound, and they were never sent.
    pub fn is_lost(&self) -> bool {
        self.given_up && self.attempts == 0
    }

    /// The name of its outcome: `delivered`, `given_up` or `lost`.
    pub fn outcome(&self) -> &'static str {
        match (self.is_lost(), self.given_up) {
            (true, _) => "lost",
            (false, true) => "given_up",
            (false, false) => "delivered",
        }
    }
}

/// Events for an address that were lost, because the app had reached a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEvents {
    /// The app of the address.
    pub app: AppIdent,
    /// The webhook's URL.
    pub address: Arc<str>,
    /// The time of the last one.
    pub at: Timestamp,
    /// The number of events.
    pub events: u64,
    /// The bound, on one line.
    pub problem: String,
}

/// An address of an app with queued events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedAddress {
    /// The webhook's URL.
    pub address: Arc<str>,
    /// The number of queued events.
    pub events: u64,
    /// The failed attempts since the last successful one.
    pub attempts: u64,
    /// The time of the next attempt.
    pub due: Timestamp,
    /// The result of the last failed attempt; empty where none failed.
    pub last: Attempt,
}

/// A node's exclusive right to send to one address, for a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name of the node, unique in the cluster.
    pub holder: Arc<str>,
    /// The app of the address.
    pub app: AppIdent,
    /// The webhook's URL.
    pub address: Arc<str>,
    /// The failed attempts since the last successful one.
    pub attempts: u64,
}
