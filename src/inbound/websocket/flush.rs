//! The flush scheduler on tokio's tasks: writes the frames that were queued during one poll of a
//! corked task.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use tokio::task::yield_now;

use crate::core::hub::{BatchWriter, FlushBatch, FlushScheduler, WriteStats};
use crate::core::ports::Metrics;

/// The number of connections that are written before other tasks run.
const CHUNK_CONNECTIONS: usize = 64;

/// Writes batches: small ones at once; large ones in chunks on as many tasks as there are cores.
/// Between the chunks publishers run, and what they add leaves in the same writes.
pub struct TokioFlushScheduler(Arc<FlushShared>);

struct FlushShared {
    queue: Mutex<FlushQueue>,
    max_tasks: usize,
    writer: Arc<dyn BatchWriter>,
    metrics: Arc<dyn Metrics>,
}

#[derive(Default)]
struct FlushQueue {
    batch: FlushBatch,
    /// The number of running tasks.
    tasks: usize,
}

impl TokioFlushScheduler {
    /// Writes with `writer` and counts the frames in `metrics`.
    pub fn new(writer: Arc<dyn BatchWriter>, metrics: Arc<dyn Metrics>) -> Self {
        let max_tasks = available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(FlushShared {
            queue: Mutex::default(),
            max_tasks,
            writer,
            metrics,
        }))
    }
}

impl FlushShared {
    fn write(&self, batch: FlushBatch) {
        let WriteStats { frames, bytes } = batch.flush(&*self.writer);
        if frames > 0 {
            self.metrics.sent(frames, bytes);
        }
    }

    /// The next chunk; `None`: nothing is left, and the calling task no longer counts as running.
    fn take_chunk(&self) -> Option<FlushBatch> {
        let mut queue = self.queue.lock();
        if queue.batch.is_empty() {
            queue.tasks -= 1;
            return None;
        }
        Some(queue.batch.take(CHUNK_CONNECTIONS))
    }
}

impl FlushScheduler for TokioFlushScheduler {
    fn flush(&self, batch: FlushBatch) {
        let shared = &self.0;
        if batch.len() <= CHUNK_CONNECTIONS {
            return shared.write(batch);
        }
        let mut queue = shared.queue.lock();
        queue.batch.append(batch);
        let wanted = queue
            .batch
            .len()
            .div_ceil(CHUNK_CONNECTIONS)
            .min(shared.max_tasks);
        for _ in queue.tasks..wanted {
            queue.tasks += 1;
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                while let Some(batch) = shared.take_chunk() {
                    shared.write(batch);
                    yield_now().await;
                }
            });
        }
    }
}
