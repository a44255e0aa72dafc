//! Background tasks with names and a stop signal.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::core::hub::Hub;

/// Spawns tasks and waits for their end.
pub(super) struct Tasks {
    tracker: TaskTracker,
    hub: Arc<Hub>,
}

impl Tasks {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            tracker: TaskTracker::new(),
            hub,
        }
    }

    /// Spawns a task that ends after `stop` is cancelled. It is polled corked (see [`Hub::cork`]), and its log lines carry the
    /// name.
    pub(super) fn spawn<Work>(
        &self,
        stop: &CancellationToken,
        name: &'static str,
        work: impl FnOnce(WaitForCancellationFutureOwned) -> Work,
    ) where
        Work: Future<Output = ()> + Send + 'static,
    {
        let work = work(stop.clone().cancelled_owned());
        let work = work.instrument(tracing::error_span!("task", name));
        self.tracker.spawn(self.hub.cork(work));
    }

    /// Waits until all tasks have ended.
    pub(super) async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
