//! Background tasks with names and a stop signal.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::Instrument;

use crate::core::hub::Hub;

/// Spawns tasks and waits for their end.
pub(super) struct Tasks {
    running: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    hub: Arc<Hub>,
}

impl Tasks {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            running: Mutex::default(),
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
        let running = tokio::spawn(self.hub.cork(work));
        self.running.lock().push((name, running));
    }

    /// Waits until all tasks have ended. Those that have not by `deadline` are aborted.
    pub(super) async fn wait(&self, deadline: Instant) {
        let running = std::mem::take(&mut *self.running.lock());
        for (task, mut running) in running {
            if timeout_at(deadline, &mut running).await.is_err() {
                running.abort();
                tracing::warn!(task, "task cut off by the end of the drain time");
            }
        }
    }
}
