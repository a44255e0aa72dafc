//! The frames that gathered during a turn go out.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use tokio::task::yield_now;

use crate::core::hub::{BatchWriter, FlushBatch, FlushScheduler, WriteStats};
use crate::core::ports::Metrics;

/// Connections that are written to before others get their turn.
const AT_ONCE: usize = 64;

/// Writes what gathered: for few connections at once; for many in turns, between which whoever publishes is heard, so that
/// what comes meanwhile goes out in the same writes; on as many cores as there are.
pub struct Flush(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    most: usize,
    outlets: Arc<dyn BatchWriter>,
    metrics: Arc<dyn Metrics>,
}

#[derive(Default)]
struct Waiting {
    batch: FlushBatch,
    /// Tasks that are at it.
    tasks: usize,
}

impl Flush {
    /// Writes by `outlets`, and counts that in `metrics`.
    pub fn new(outlets: Arc<dyn BatchWriter>, metrics: Arc<dyn Metrics>) -> Self {
        let most = available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Shared {
            waiting: Mutex::default(),
            most,
            outlets,
            metrics,
        }))
    }
}

impl Shared {
    fn write(&self, batch: FlushBatch) {
        let WriteStats { frames, bytes } = batch.flush(&*self.outlets);
        if frames > 0 {
            self.metrics.sent(frames, bytes);
        }
    }

    /// What one turn writes; `None`: nothing is left, and this task is not counted any more.
    fn take(&self) -> Option<FlushBatch> {
        let mut waiting = self.waiting.lock();
        if waiting.batch.is_empty() {
            waiting.tasks -= 1;
            return None;
        }
        Some(waiting.batch.take(AT_ONCE))
    }
}

impl FlushScheduler for Flush {
    fn flush(&self, batch: FlushBatch) {
        let shared = &self.0;
        if batch.len() <= AT_ONCE {
            return shared.write(batch);
        }
        let mut waiting = shared.waiting.lock();
        waiting.batch.append(batch);
        let wanted = waiting.batch.len().div_ceil(AT_ONCE).min(shared.most);
        for _ in waiting.tasks..wanted {
            waiting.tasks += 1;
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                while let Some(batch) = shared.take() {
                    shared.write(batch);
                    yield_now().await;
                }
            });
        }
    }
}
