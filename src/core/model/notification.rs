//! Publishes whose notification targets are to be notified.

use std::sync::Arc;

use super::app::AppIdent;
use super::delivery::Attempt;
use super::event::Event;
use super::target::TargetKind;
use super::time::Timestamp;

/// A stored event whose targets are not all in the outbox yet, claimed by a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePublish {
    /// The name of the node, unique in the cluster.
    pub holder: Arc<str>,
    /// The app of the event.
    pub app: AppIdent,
    /// The event.
    pub event: Event,
    /// Shared by the events of one publish.
    pub publish: Arc<str>,
    /// Where the node before stopped; `None`: nothing is done.
    pub cursor: Option<String>,
}

/// That the targets of a stored event are not all in the outbox yet, for a copy of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMark {
    /// The number of the event.
    pub event: u64,
    /// See [`DuePublish::publish`].
    pub publish: Arc<str>,
    /// See [`DuePublish::cursor`].
    pub cursor: Option<String>,
}

/// The state of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationState {
    /// It waits for its first attempt, or the next one.
    Waiting,
    /// It was given up.
    Failed,
    /// The target accepted it.
    Done,
}

/// Which notifications of an app are listed; `None`: any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// The kind of the target.
    pub kind: Option<TargetKind>,
    /// The state.
    pub state: Option<NotificationState>,
}

/// A notification of one target, as the log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedNotification {
    /// A number that is unique among those that wait, and among the others.
    pub id: u64,
    /// The kind of the target.
    pub kind: TargetKind,
    /// The channel's name.
    pub channel: String,
    /// The event's name.
    pub event: String,
    /// The target's address in the outbox.
    pub address: Arc<str>,
    /// The state.
    pub state: NotificationState,
    /// The attempts so far: of one that waits, the failed ones since the target's last success.
    pub attempts: u64,
    /// The result of the last attempt.
    pub last: Attempt,
    /// The time of the next attempt, of one that waits.
    pub next_attempt: Option<Timestamp>,
    /// The time of the event.
    pub created: Timestamp,
}
