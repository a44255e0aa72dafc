//! Apps.

use async_trait::async_trait;

use super::MemoryStore;
use super::state::{AppData, MemoryState};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Timestamp};
use crate::core::ports::{AppStore, CreateApp};

impl MemoryState {
    fn find_app(&self, matches: impl Fn(&App) -> bool) -> Option<&App> {
        self.apps.values().find(|app| matches(app))
    }
}

#[async_trait]
impl AppStore for MemoryStore {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        let mut state = self.state.lock();
        if app.first && !state.apps.is_empty() {
            return Err(StorageError::Conflict("first"));
        }
        if state.app_data.contains_key(&app.ident) {
            return Err(StorageError::Conflict("ident"));
        }
        if state.find_app(|other| other.key == app.key).is_some() {
            return Err(StorageError::Conflict("key"));
        }
        state.last_app_id += 1;
        state.revision += 1;
        let app = app.into_app(state.last_app_id);
        state.app_data.insert(app.ident.clone(), AppData::default());
        state.apps.insert(app.id, app.clone());
        Ok(app)
    }

    async fn update(&self, app: &App, expected_modified: Timestamp) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let stored = state
            .find_app(|stored| stored.ident == app.ident)
            .ok_or(StorageError::NotFound)?;
        if stored.modified != expected_modified {
            return Err(StorageError::Conflict("modified"));
        }
        if state
            .find_app(|other| other.key == app.key && other.ident != app.ident)
            .is_some()
        {
            return Err(StorageError::Conflict("key"));
        }
        let changed = App {
            id: stored.id,
            created: stored.created,
            ..app.clone()
        };
        state.apps.insert(changed.id, changed);
        state.revision += 1;
        Ok(())
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data.remove(ident).ok_or(StorageError::NotFound)?;
        for mid in data.mids.keys() {
            state.mids.remove(mid);
        }
        state.apps.retain(|_, app| app.ident != *ident);
        state.sessions.retain(|_, session| session.app != *ident);
        state.revision += 1;
        Ok(())
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        Ok(self
            .state
            .lock()
            .find_app(|app| app.ident == *ident)
            .cloned())
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        Ok(self.state.lock().find_app(|app| app.key == key).cloned())
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        let state = self.state.lock();
        Ok(state
            .apps
            .values()
            .filter(|app| app.id > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn count(&self) -> Result<u64, StorageError> {
        Ok(self.state.lock().apps.len() as u64)
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        Ok(self.state.lock().revision)
    }
}
