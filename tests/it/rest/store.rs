//! A store of apps that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use pushi::core::error::StorageError;
use pushi::core::model::{App, AppIdent, Timestamp};
use pushi::core::ports::{AppStore, CreateApp};

const WELL: u8 = 0;
const AWAY: u8 = 1;
const BROKEN: u8 = 2;

/// What its adapter does, unless it is away or broken.
pub struct Fragile {
    inner: Arc<dyn AppStore>,
    state: AtomicU8,
}

impl Fragile {
    pub fn new(inner: Arc<dyn AppStore>) -> Self {
        Self {
            inner,
            state: AtomicU8::new(WELL),
        }
    }

    /// From now on nothing answers.
    pub fn go_away(&self) {
        self.state.store(AWAY, Ordering::SeqCst);
    }

    /// From now on every call panics.
    pub fn break_down(&self) {
        self.state.store(BROKEN, Ordering::SeqCst);
    }

    fn up(&self) -> Result<&dyn AppStore, StorageError> {
        match self.state.load(Ordering::SeqCst) {
            WELL => Ok(&*self.inner),
            AWAY => Err(StorageError::unavailable("secret-cause")),
            _ => panic!("this store is broken on purpose"),
        }
    }
}

#[async_trait]
impl AppStore for Fragile {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        self.up()?.create(app).await
    }

    async fn update(&self, app: &App, seen: Timestamp) -> Result<(), StorageError> {
        self.up()?.update(app, seen).await
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        self.up()?.delete(ident).await
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        self.up()?.by_ident(ident).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        self.up()?.by_key(key).await
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        self.up()?.list(after, limit).await
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        self.up()?.revision().await
    }
}
