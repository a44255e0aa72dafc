//! Which apps have notification targets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::core::model::AppIdent;
use crate::core::ports::TargetStore;

/// How long an answer of the store counts, where no message of the bus has ended it.
const CURRENT: Duration = Duration::from_secs(60);

/// The shortest time between two rounds of reads, and the longest.
const MIN_ROUND: Duration = Duration::from_millis(20);
const MAX_ROUND: Duration = Duration::from_secs(5);

/// The apps that are remembered at most; beyond it all are forgotten, and read again.
const MAX_APPS: usize = 100_000;

/// Whether the apps that publish have targets, as far as this node knows: publishers never wait for the store.
pub(in crate::core::service) struct TargetApps {
    store: Arc<dyn TargetStore>,
    apps: RwLock<HashMap<AppIdent, Known>>,
    asked: Notify,
}

#[derive(Clone, Copy)]
struct Known {
    has_targets: bool,
    /// `None`: to be read now.
    read: Option<Instant>,
    /// Incremented by each change, so that a read that began before it does not count.
    change: u64,
}

impl TargetApps {
    pub(in crate::core::service) fn new(store: Arc<dyn TargetStore>) -> Self {
        Self {
            store,
            apps: RwLock::default(),
            asked: Notify::new(),
        }
    }

    /// Whether the app may have targets. An app that is not known counts as one that has.
    pub(in crate::core::service) fn may_have(&self, app: &AppIdent) -> bool {
        if let Some(known) = self.apps.read().get(app) {
            return known.has_targets;
        }
        self.changed(app);
        true
    }

    /// Whether the store has confirmed that the app has targets, so that further ones change nothing.
    pub(in crate::core::service) fn is_known(&self, app: &AppIdent) -> bool {
        let apps = self.apps.read();
        apps.get(app)
            .is_some_and(|known| known.has_targets && known.read.is_some())
    }

    /// The targets of an app have changed, here or at another node: it counts as one that has targets until it is read.
    pub(in crate::core::service) fn changed(&self, app: &AppIdent) {
        let mut apps = self.apps.write();
        if apps.len() >= MAX_APPS {
            apps.clear();
        }
        let change = apps.get(app).map_or(0, |known| known.change + 1);
        let unknown = Known {
            has_targets: true,
            read: None,
            change,
        };
        apps.insert(app.clone(), unknown);
        drop(apps);
        self.asked.notify_one();
    }

    /// Another node may have changed any of them.
    pub(in crate::core::service) fn all_changed(&self) {
        self.apps.write().clear();
    }

    /// Reads what is not known, or no longer. Never returns.
    pub(super) async fn follow(&self) {
        loop {
            let stale: Vec<(AppIdent, u64)> = {
                let apps = self.apps.read();
                let is_stale =
                    |known: &Known| known.read.is_none_or(|read| read.elapsed() >= CURRENT);
                let stale = apps.iter().filter(|(_, known)| is_stale(known));
                stale
                    .map(|(app, known)| (app.clone(), known.change))
                    .collect()
            };
            for (app, change) in stale {
                let Ok(has_targets) = self.store.has_targets(&app).await else {
                    break;
                };
                if let Some(known) = self.apps.write().get_mut(&app)
                    && known.change == change
                {
                    (known.has_targets, known.read) = (has_targets, Some(Instant::now()));
                }
            }
            tokio::time::sleep(MIN_ROUND).await;
            let _ = timeout(MAX_ROUND, self.asked.notified()).await;
        }
    }
}
