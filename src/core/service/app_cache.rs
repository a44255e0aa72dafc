//! The app cache: apps in memory, so that a request does not wait for the store, and the task that keeps them current.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::session_cache::SessionCache;
use super::webhook_changes::WebhookChanges;
use crate::core::error::StorageError;
use crate::core::hub::Hub;
use crate::core::model::{App, AppIdent};
use crate::core::ports::{AppStore, Bus};

/// How often the store is polled for changed apps: half of the second within which every node must apply a change.
const POLL: Duration = Duration::from_millis(500);

/// The apps that this node has read from the store, with the connections of the hub kept in step.
pub struct AppCache {
    store: Arc<dyn AppStore>,
    hub: Arc<Hub>,
    bus: Arc<dyn Bus>,
    sessions: Arc<SessionCache>,
    apps: RwLock<CachedApps>,
    invalidated: Notify,
    /// Counts the refreshes of the whole cache.
    generation: AtomicU64,
    /// An inserted entry may be older than the last refresh.
    stale: AtomicBool,
    webhook_changes: Arc<WebhookChanges>,
}

#[derive(Default)]
struct CachedApps {
    by_ident: HashMap<AppIdent, Arc<App>>,
    by_key: HashMap<String, AppIdent>,
}

impl CachedApps {
    fn insert(&mut self, app: &Arc<App>) {
        if let Some(before) = self.by_ident.insert(app.ident.clone(), Arc::clone(app)) {
            self.remove_key(&before);
        }
        self.by_key.insert(app.key.clone(), app.ident.clone());
    }

    fn remove(&mut self, ident: &AppIdent) {
        if let Some(before) = self.by_ident.remove(ident) {
            self.remove_key(&before);
        }
    }

    /// Removes the key of an app unless it belongs to another app by now.
    fn remove_key(&mut self, app: &App) {
        if self.by_key.get(&app.key) == Some(&app.ident) {
            self.by_key.remove(&app.key);
        }
    }
}

impl AppCache {
    pub(super) fn new(
        store: Arc<dyn AppStore>,
        hub: Arc<Hub>,
        bus: Arc<dyn Bus>,
        sessions: Arc<SessionCache>,
        webhook_changes: Arc<WebhookChanges>,
    ) -> Self {
        Self {
            store,
            hub,
            bus,
            sessions,
            apps: RwLock::default(),
            invalidated: Notify::new(),
            generation: AtomicU64::new(0),
            stale: AtomicBool::new(false),
            webhook_changes,
        }
    }

    /// Has the store polled now: another node changed an app.
    pub(super) fn invalidate(&self) {
        self.invalidated.notify_one();
    }

    /// The app with this identifier; reads the store only where it is not cached.
    pub(super) async fn get(&self, ident: &AppIdent) -> Result<Option<Arc<App>>, StorageError> {
        if let Some(app) = self.cached(ident) {
            return Ok(Some(app));
        }
        let generation = self.generation();
        let found = self.store.by_ident(ident).await?;
        Ok(found.map(|app| self.insert(app, generation)))
    }

    /// The app with this key; reads the store only where it is not cached.
    pub(super) async fn get_by_key(&self, key: &str) -> Result<Option<Arc<App>>, StorageError> {
        if let Some(app) = self.cached_by_key(key) {
            return Ok(Some(app));
        }
        let generation = self.generation();
        let found = self.store.by_key(key).await?;
        Ok(found.map(|app| self.insert(app, generation)))
    }

    /// The cached app with this identifier.
    pub(super) fn cached(&self, ident: &AppIdent) -> Option<Arc<App>> {
        self.apps.read().by_ident.get(ident).cloned()
    }

    /// The cached app with this key.
    pub(super) fn cached_by_key(&self, key: &str) -> Option<Arc<App>> {
        let apps = self.apps.read();
        let ident = apps.by_key.get(key)?;
        apps.by_ident.get(ident).cloned()
    }

    /// The app as the store has it now; the cached one where the store is unavailable.
    pub(super) async fn read_through(
        &self,
        ident: &AppIdent,
    ) -> Result<Option<Arc<App>>, StorageError> {
        let generation = self.generation();
        let before = self.cached(ident);
        match self.store.by_ident(ident).await {
            Ok(Some(app)) => Ok(Some(self.insert(app, generation))),
            Ok(None) => {
                before.inspect(|before| self.evict(before));
                Ok(None)
            }
            Err(error) => self.cached(ident).map(Some).ok_or(error),
        }
    }

    /// The number of refreshes so far. Read it before the store is read or written, and give it to [`AppCache::insert`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Caches an app as the store had it in this generation. Where a refresh has begun since, that refresh did not cover
    /// the app and may have seen a newer revision of the store: another refresh follows.
    pub(super) fn insert(&self, app: App, generation: u64) -> Arc<App> {
        let app = self.insert_newest(app);
        if self.generation() != generation {
            self.stale.store(true, Ordering::SeqCst);
            self.invalidate();
        }
        app
    }

    /// Caches an app unless the cached one is newer, and applies it to the app's connections.
    fn insert_newest(&self, app: App) -> Arc<App> {
        let mut apps = self.apps.write();
        let before = apps.by_ident.get(&app.ident).cloned();
        if let Some(newer) = before
            .as_ref()
            .filter(|cached| (cached.id, cached.modified) >= (app.id, app.modified))
        {
            return Arc::clone(newer);
        }
        let app = Arc::new(app);
        // Before any connection or request finds the new app.
        if let Some(predecessor) = before.as_ref().filter(|before| before.id != app.id) {
            self.forget(predecessor);
        }
        apps.insert(&app);
        drop(apps);
        if before.is_some_and(|before| before.settings.webhooks != app.settings.webhooks) {
            self.webhook_changes.add(&app.ident);
        }
        self.hub.update_app(&app.ident, Some(&app));
        app
    }

    /// Removes a deleted app and closes its connections, unless another app was created with its ident since.
    pub(super) fn evict(&self, deleted: &App) {
        let mut apps = self.apps.write();
        let is_current = |cached: &Arc<App>| cached.id == deleted.id;
        if apps.by_ident.get(&deleted.ident).is_some_and(is_current) {
            self.forget(deleted);
            apps.remove(&deleted.ident);
        }
    }

    /// Removes what this node knows of a deleted app by its ident: another app may be created with it.
    fn forget(&self, deleted: &App) {
        self.hub.update_app(&deleted.ident, None);
        self.sessions.forget(&deleted.ident);
        self.bus.forget(&deleted.ident);
    }

    /// Applies changes of the store by other processes (nodes, the command line) within a second, until `stop` ends.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let follow = async {
            let mut revision = None;
            loop {
                let stale = self.stale.swap(false, Ordering::SeqCst);
                match self.store.revision().await {
                    Ok(now) if stale || revision != Some(now) => {
                        self.generation.fetch_add(1, Ordering::SeqCst);
                        revision = self.refresh_all().await.is_ok().then_some(now);
                    }
                    Ok(_) => {}
                    // Callers that need the store report that it is unavailable.
                    Err(_) => revision = None,
                }
                let _ = tokio::time::timeout(POLL, self.invalidated.notified()).await;
            }
        };
        tokio::select! {
            biased;
            () = follow => {}
            () = stop => {}
        }
    }

    async fn refresh_all(&self) -> Result<(), StorageError> {
        let known: Vec<Arc<App>> = self.apps.read().by_ident.values().cloned().collect();
        for known in known {
            match self.store.by_ident(&known.ident).await? {
                Some(app) => drop(self.insert_newest(app)),
                None => self.evict(&known),
            }
        }
        Ok(())
    }
}
