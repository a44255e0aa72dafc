//! Where things are kept: one folder a kind of store, all with the same promises (`tests/contract`).

pub mod memory;
mod merge;
pub mod mongodb;
mod settings;
pub mod sql;

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::ports::{
    AppStore, Archive, CacheStore, DeliveryLog, EventStore, Outbox, SessionStore, SubscriptionStore,
};

/// The storage ports of one database. Cheap to clone; all clones are the same store instance.
#[derive(Clone)]
pub struct Stores {
    /// Apps.
    pub apps: Arc<dyn AppStore>,
    /// Persisted events.
    pub events: Arc<dyn EventStore>,
    /// Persistent subscriptions.
    pub subscriptions: Arc<dyn SubscriptionStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The last events of cache channels.
    pub cache: Arc<dyn CacheStore>,
    /// What waits for webhooks.
    pub outbox: Arc<dyn Outbox>,
    /// What became of what webhooks were told.
    pub deliveries: Arc<dyn DeliveryLog>,
    /// What moving to another store needs.
    pub archive: Arc<dyn Archive>,
    /// The database behind them.
    pub database: Arc<dyn Database>,
}

impl Stores {
    /// The ports of one adapter that implements them all.
    fn of<S>(store: Arc<S>) -> Self
    where
        S: AppStore
            + EventStore
            + SubscriptionStore
            + SessionStore
            + CacheStore
            + Outbox
            + DeliveryLog
            + Archive
            + Database
            + 'static,
    {
        Self {
            apps: store.clone(),
            events: store.clone(),
            subscriptions: store.clone(),
            sessions: store.clone(),
            cache: store.clone(),
            outbox: store.clone(),
            deliveries: store.clone(),
            archive: store.clone(),
            database: store,
        }
    }
}

/// What concerns a database as a whole.
#[async_trait]
pub trait Database: Send + Sync {
    /// Whether the store answers now; ends within the store time-out. Cheap.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Ends what is under way and closes the connections, within the store time-out. Calls made after it are `Unavailable`.
    async fn close(&self);
}

/// Why a store could not be opened: one line that says what, where, and what to do about it. It never shows a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl OpenError {
    fn new(text: impl std::fmt::Display) -> Self {
        Self(
            text.to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        )
    }
}
