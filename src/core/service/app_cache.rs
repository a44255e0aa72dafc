//! The apps that this node knows, so that nobody waits for the store on the way in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::Service;
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent};

/// How often the store is asked whether an app changed: half of the second within which every node must follow.
const POLL: Duration = Duration::from_millis(500);

/// The apps that this node knows.
#[derive(Default)]
pub(super) struct AppCache {
    known: RwLock<Known>,
    changed: Notify,
    /// How often the store was asked for all that is known.
    rounds: AtomicU64,
    /// Something was learned that may be older than what the last round saw.
    doubtful: AtomicBool,
}

#[derive(Default)]
struct Known {
    by_ident: HashMap<AppIdent, Arc<App>>,
    by_key: HashMap<String, AppIdent>,
}

impl Known {
    fn put(&mut self, app: &Arc<App>) {
        if let Some(before) = self.by_ident.insert(app.ident.clone(), Arc::clone(app)) {
            self.by_key.remove(&before.key);
        }
        self.by_key.insert(app.key.clone(), app.ident.clone());
    }

    fn forget(&mut self, ident: &AppIdent) {
        if let Some(before) = self.by_ident.remove(ident) {
            self.by_key.remove(&before.key);
        }
    }
}

impl AppCache {
    /// Somebody changed an app: look now, not at the next round.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// The round that is under way, or was last.
    fn round(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Something was learned that was read from the store in this round. Where another one has begun since, that one
    /// did not look after it, and what it says of the store may be newer.
    fn learned_in(&self, round: u64) {
        if self.round() != round {
            self.doubtful.store(true, Ordering::SeqCst);
            self.changed();
        }
    }

    fn by_ident(&self, ident: &AppIdent) -> Option<Arc<App>> {
        self.known.read().by_ident.get(ident).cloned()
    }

    fn by_key(&self, key: &str) -> Option<Arc<App>> {
        let known = self.known.read();
        known
            .by_key
            .get(key)
            .and_then(|ident| known.by_ident.get(ident))
            .cloned()
    }
}

impl Service {
    /// The app with this identifier, without the store where it is known.
    pub(super) async fn app_by_ident(
        &self,
        ident: &AppIdent,
    ) -> Result<Option<Arc<App>>, StorageError> {
        match self.registry.by_ident(ident) {
            Some(app) => Ok(Some(app)),
            None => {
                let round = self.round();
                let found = self.ports.stores.apps.by_ident(ident).await?;
                Ok(found.map(|app| self.learn_in(app, round)))
            }
        }
    }

    /// The app with this key, without the store where it is known.
    pub(super) async fn app_by_key(&self, key: &str) -> Result<Option<Arc<App>>, StorageError> {
        match self.registry.by_key(key) {
            Some(app) => Ok(Some(app)),
            None => {
                let round = self.round();
                let found = self.ports.stores.apps.by_key(key).await?;
                Ok(found.map(|app| self.learn_in(app, round)))
            }
        }
    }

    /// The app with this key, as far as it is known here.
    pub(super) fn known_by_key(&self, key: &str) -> Option<Arc<App>> {
        self.registry.by_key(key)
    }

    /// The app with this identifier, as far as it is known here.
    pub(super) fn known_by_ident(&self, ident: &AppIdent) -> Option<Arc<App>> {
        self.registry.by_ident(ident)
    }

    /// The app as the store has it now; the one that is known where the store is away.
    pub(super) async fn fresh_app(
        &self,
        ident: &AppIdent,
    ) -> Result<Option<Arc<App>>, StorageError> {
        let round = self.round();
        match self.ports.stores.apps.by_ident(ident).await {
            Ok(Some(app)) => Ok(Some(self.learn_in(app, round))),
            Ok(None) => {
                self.unlearn(ident);
                Ok(None)
            }
            Err(error) => self.registry.by_ident(ident).map(Some).ok_or(error),
        }
    }

    /// Ask this before the store is asked for what [`Service::learn_in`] gets.
    pub(super) fn round(&self) -> u64 {
        self.registry.round()
    }

    /// Notes what an app was when the store was asked for it, in this round.
    pub(super) fn learn_in(&self, app: App, round: u64) -> Arc<App> {
        let app = self.learn(app);
        self.registry.learned_in(round);
        app
    }

    /// Notes what an app is now; its connections follow.
    fn learn(&self, app: App) -> Arc<App> {
        let mut known = self.registry.known.write();
        let before = known.by_ident.get(&app.ident).cloned();
        if let Some(newer) = before
            .as_ref()
            .filter(|seen| (seen.id, seen.modified) >= (app.id, app.modified))
        {
            return Arc::clone(newer);
        }
        let app = Arc::new(app);
        known.put(&app);
        drop(known);
        if before.is_some_and(|before| before.settings.webhooks != app.settings.webhooks) {
            self.hooks.changed(&app.ident);
        }
        self.hub.app_changed(&app.ident, Some(&app));
        app
    }

    pub(super) fn unlearn(&self, ident: &AppIdent) {
        self.registry.known.write().forget(ident);
        self.hub.app_changed(ident, None);
    }

    /// Follows what others write to the store (another node, the command line) within a second, until `stop` ends.
    pub async fn follow_apps(&self, stop: impl Future<Output = ()>) {
        let follow = async {
            let mut revision = None;
            loop {
                let doubtful = self.registry.doubtful.swap(false, Ordering::SeqCst);
                match self.ports.stores.apps.revision().await {
                    Ok(now) if doubtful || revision != Some(now) => {
                        self.registry.rounds.fetch_add(1, Ordering::SeqCst);
                        revision = self.refresh_known().await.is_ok().then_some(now);
                    }
                    Ok(_) => {}
                    // It is noticed and said where somebody needs the store.
                    Err(_) => revision = None,
                }
                let _ = tokio::time::timeout(POLL, self.registry.changed.notified()).await;
            }
        };
        tokio::select! {
            () = follow => {}
            () = stop => {}
        }
    }

    async fn refresh_known(&self) -> Result<(), StorageError> {
        let idents: Vec<AppIdent> = self
            .registry
            .known
            .read()
            .by_ident
            .keys()
            .cloned()
            .collect();
        for ident in idents {
            match self.ports.stores.apps.by_ident(&ident).await? {
                Some(app) => drop(self.learn(app)),
                None => self.unlearn(&ident),
            }
        }
        Ok(())
    }
}
