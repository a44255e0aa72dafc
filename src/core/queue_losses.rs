//! What apps lose by the bounds of their queues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::model::AppIdent;
use super::ports::{Metrics, QueueKind};

/// The shortest time between two log lines about one app.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The apps that are remembered at most; beyond it all are forgotten, and a line may be logged earlier.
const MAX_APPS: usize = 1000;

/// Counts the entries that a queue did not accept, and logs them, at most once in a while for each app.
pub struct QueueLosses {
    queue: QueueKind,
    metrics: Arc<dyn Metrics>,
    apps: Mutex<HashMap<AppIdent, AppLosses>>,
}

struct AppLosses {
    /// Those that were not logged.
    entries: u64,
    logged: Instant,
}

impl QueueLosses {
    /// Counts those of this queue.
    pub fn new(queue: QueueKind, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            queue,
            metrics,
            apps: Mutex::default(),
        }
    }

    /// Adds entries that were not accepted, because the app has reached its bound.
    pub fn add(&self, app: &AppIdent, entries: u64) {
        self.metrics.queue_refused(self.queue, app, entries);
        let now = Instant::now();
        let mut apps = self.apps.lock();
        let refused = match apps.get_mut(app) {
            Some(losses) => {
                losses.entries += entries;
                if now.duration_since(losses.logged) < LOG_INTERVAL {
                    return;
                }
                losses.logged = now;
                std::mem::take(&mut losses.entries)
            }
            None => {
                if apps.len() >= MAX_APPS {
                    apps.clear();
                }
                let losses = AppLosses {
                    entries: 0,
                    logged: now,
                };
                apps.insert(app.clone(), losses);
                entries
            }
        };
        drop(apps);
        tracing::warn!(
            app = app.as_str(),
            queue = self.queue.name(),
            refused,
            reason = self.queue.reason(),
            "queue of an app is full"
        );
    }
}
