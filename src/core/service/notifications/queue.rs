//! Publishes on their way to their targets.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::TargetApps;
use super::pacing::Pacing;
use crate::core::fair_queue::{EntrySize, FairQueue, QueueBounds};
use crate::core::model::{AppIdent, Limits, NewEvent};
use crate::core::ports::{Metrics, QueueKind, Stores};
use crate::core::queue_losses::QueueLosses;

/// The bytes of an event in memory besides its texts, about.
const EVENT_BYTES: usize = 400;

/// An event that is not stored, with what its publish has in common.
pub(super) struct TransientPublish {
    pub event: Arc<NewEvent>,
    pub publish: Arc<str>,
}

/// The events of this node that are not stored and whose targets are to be notified, bounded in bytes by app and in all
/// (`PUSHI_MAX_QUEUED_BYTES`): above it they are not notified, which is counted and logged. Stored events wait in the store.
pub struct NotificationQueue {
    enabled: bool,
    targets: Arc<TargetApps>,
    pending: Mutex<FairQueue<TransientPublish>>,
    lost: QueueLosses,
    /// Wakes [`NotificationExpander`](super::NotificationExpander).
    pub(super) recorded: Notify,
    /// Wakes [`NotificationSender`](super::NotificationSender).
    pub(super) stored: Notify,
    pub(super) pacing: Pacing,
}

impl NotificationQueue {
    pub(in crate::core::service) fn new(
        stores: &Stores,
        enabled: bool,
        limits: &Limits,
        metrics: &Arc<dyn Metrics>,
    ) -> Self {
        let bounds = QueueBounds::new(limits.queued_bytes, limits.queued_bytes_all);
        Self {
            enabled,
            targets: Arc::new(TargetApps::new(Arc::clone(&stores.targets))),
            pending: Mutex::new(FairQueue::new(bounds)),
            lost: QueueLosses::new(QueueKind::Notification, Arc::clone(metrics)),
            recorded: Notify::new(),
            stored: Notify::new(),
            pacing: Pacing::new(),
        }
    }

    pub(in crate::core::service) fn targets(&self) -> &TargetApps {
        &self.targets
    }

    /// What the events of a publish have in common, if targets of the app may have to be notified: their publish, or the `mid` of the
    /// first one. Stores need no mark for each event that has one of these itself.
    pub(in crate::core::service) fn mark(&self, events: &[Arc<NewEvent>]) -> Option<Arc<str>> {
        let first = events.first().filter(|_| self.enabled)?;
        self.pacing.published();
        let may_have = self.targets.may_have(&first.app);
        let publish = first.publish.as_ref().map_or(&first.mid.0, |id| &id.0);
        may_have.then(|| Arc::clone(publish))
    }

    /// Records events that are not stored, after they were released.
    pub(in crate::core::service) fn record(
        &self,
        events: &[Arc<NewEvent>],
        mark: Option<&Arc<str>>,
    ) {
        let Some(publish) = mark else { return };
        for event in events {
            let size = EntrySize::of(EVENT_BYTES + event.bytes());
            let entry = TransientPublish {
                event: Arc::clone(event),
                publish: Arc::clone(publish),
            };
            let pushed = self.pending.lock().push(&event.app, entry, size);
            if pushed.is_err() {
                self.lost.add(&event.app, 1);
            }
        }
        self.recorded.notify_one();
    }

    /// Events were stored, in this time; `due`: some of them are due.
    pub(in crate::core::service) fn committed(&self, took: Duration, due: bool) {
        self.pacing.committed(took);
        if due {
            self.recorded.notify_one();
        }
    }

    /// Removes some events of the next app in turn that is not among the busy ones, at most this number.
    pub(super) fn pop_some(
        &self,
        count: usize,
        busy: &[AppIdent],
    ) -> Option<(AppIdent, Vec<TransientPublish>)> {
        let mut pending = self.pending.lock();
        let app = pending.next_app_except(busy)?;
        let popped = iter::from_fn(|| pending.pop_of(&app)).take(count).collect();
        Some((app, popped))
    }

    /// Counts an event that is not stored, and for which the outbox has no space.
    pub(super) fn lose(&self, app: &AppIdent) {
        self.lost.add(app, 1);
    }

    /// The bytes that wait.
    pub(in crate::core::service) fn bytes(&self) -> u64 {
        self.pending.lock().bytes() as u64
    }

    /// Keeps [`TargetApps`] current. Never returns.
    pub(super) async fn follow(&self) {
        self.targets.follow().await;
    }

    /// Whether no event waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.lock().is_empty()
    }

    /// Wakes the sender: the outbox has new notifications.
    pub(in crate::core::service) fn notify_sender(&self) {
        self.stored.notify_one();
    }

    /// The targets of an app have changed.
    pub(in crate::core::service) fn targets_changed(&self, app: &AppIdent) {
        self.targets.changed(app);
    }
}
