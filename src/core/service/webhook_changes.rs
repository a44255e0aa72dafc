//! The apps whose presence has to be compared.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::core::model::AppIdent;

/// The apps whose webhook settings changed, or that lost events, since the reconciler last compared them.
#[derive(Default)]
pub(super) struct WebhookChanges {
    apps: Mutex<HashSet<AppIdent>>,
    added: Notify,
}

impl WebhookChanges {
    /// Adds an app and wakes the reconciler.
    pub(super) fn add(&self, app: &AppIdent) {
        self.apps.lock().insert(app.clone());
        self.added.notify_one();
    }

    pub(super) fn contains(&self, app: &AppIdent) -> bool {
        self.apps.lock().contains(app)
    }

    pub(super) fn take(&self) -> HashSet<AppIdent> {
        std::mem::take(&mut *self.apps.lock())
    }

    /// Waits until an app is added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}
