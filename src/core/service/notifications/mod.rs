//! Notifications: published events, sent to targets outside the connections.
//!
//! The steps of one publish:
//!
//! 1. The publisher asks [`TargetApps`] whether the app may have targets; for an app without any, nothing is done.
//! 2. The append queue stores the event and marks it as due with the same commit. An event that is not stored waits in
//!    [`NotificationQueue`] instead.
//! 3. [`NotificationExpander::run`] claims due events, pages through the targets of the channel and of its followers, and puts a
//!    [`Notification`](crate::core::model::Notification) for each into the outbox, which has one of a publish and target only.
//! 4. [`NotificationSender::run`] claims the targets that are due, kind by kind, and sends each its oldest notification, or at the end
//!    of a [`DigestWindow`](crate::core::model::DigestWindow) all that it has.
//! 5. It settles the attempt: delivered, to be retried after a pause, or given up. The log keeps the result.

mod breaker;
mod couriers;
mod credential_faults;
mod expand;
mod log;
mod pacing;
mod pages;
mod progress;
mod queue;
mod registration;
mod sender;
mod target_apps;

use std::time::Duration;

use crate::core::model::{EventPushError, NewEvent, Position, PushContent, TargetKind};

pub(in crate::core::service) use self::couriers::Couriers;
pub use self::credential_faults::RefusedCredentials;
pub use self::expand::NotificationExpander;
pub use self::log::{NotificationTest, NotificationTestError};
pub use self::queue::NotificationQueue;
pub use self::sender::NotificationSender;
pub(in crate::core::service) use self::sender::SenderParts;
pub(in crate::core::service) use self::target_apps::TargetApps;

/// The kinds of targets that can be notified.
pub const KINDS: [TargetKind; 4] = [
    TargetKind::Web,
    TargetKind::WebPush,
    TargetKind::Smtp,
    TargetKind::Apn,
];

/// Renders an event as subscribers receive it: a JSON object.
pub type RenderEvent = fn(&NewEvent, Option<Position>) -> String;

/// Reads what browsers are sent about a rendered event.
pub type ReadEventPush = fn(&str) -> Result<PushContent, EventPushError>;

/// The configuration of notifications.
#[derive(Debug, Clone, Copy)]
pub struct NotificationRules {
    /// Whether targets are notified.
    pub enabled: bool,
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// For how long a notification is retried; zero: no retries.
    pub retry: Duration,
}

impl Default for NotificationRules {
    fn default() -> Self {
        Self {
            enabled: true,
            timeout: Duration::from_secs(10),
            retry: Duration::from_secs(24 * 3600),
        }
    }
}
