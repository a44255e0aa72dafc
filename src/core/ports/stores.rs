//! The storage ports of one database, as one value.

use std::sync::Arc;

use async_trait::async_trait;

use super::app_store::AppStore;
use super::archive::Archive;
use super::cache_store::CacheStore;
use super::delivery_log::DeliveryLog;
use super::event_store::EventStore;
use super::notifications::{DuePublishes, NotificationLog};
use super::outbox::Outbox;
use super::publish_rows::PublishRows;
use super::session_store::SessionStore;
use super::subscription_store::SubscriptionStore;
use super::target_store::TargetStore;
use crate::core::error::StorageError;

/// The storage ports of one database. Cheap to clone; all clones are the same store instance.
#[derive(Clone)]
pub struct Stores {
    /// Apps and their settings.
    pub apps: Arc<dyn AppStore>,
    /// Persisted events.
    pub events: Arc<dyn EventStore>,
    /// Persistent subscriptions.
    pub subscriptions: Arc<dyn SubscriptionStore>,
    /// Login sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The last events of cache channels.
    pub cache: Arc<dyn CacheStore>,
    /// The queue of webhook events.
    pub outbox: Arc<dyn Outbox>,
    /// The results of webhook deliveries.
    pub deliveries: Arc<dyn DeliveryLog>,
    /// Notification targets.
    pub targets: Arc<dyn TargetStore>,
    /// Events whose targets are to be notified.
    pub due: Arc<dyn DuePublishes>,
    /// The log of notifications.
    pub notifications: Arc<dyn NotificationLog>,
    /// Rows that applications insert, to be published.
    pub rows: Arc<dyn PublishRows>,
    /// Bulk export and import, for `copy`.
    pub archive: Arc<dyn Archive>,
    /// The database as a whole: health check and shutdown.
    pub database: Arc<dyn Database>,
}

impl Stores {
    /// Builds the set from one adapter that implements every storage port.
    pub fn from_adapter<S>(store: Arc<S>) -> Self
    where
        S: AppStore
            + EventStore
            + SubscriptionStore
            + SessionStore
            + CacheStore
            + Outbox
            + DeliveryLog
            + TargetStore
            + DuePublishes
            + NotificationLog
            + PublishRows
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
            targets: store.clone(),
            due: store.clone(),
            notifications: store.clone(),
            rows: store.clone(),
            archive: store.clone(),
            database: store,
        }
    }
}

/// Operations on a database as a whole.
#[async_trait]
pub trait Database: Send + Sync {
    /// Checks that the store responds. Cheap; ends within the store timeout.
    ///
    /// # Errors
    /// Fails where the store does not respond.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Checks that the store takes writes, by one that changes nothing.
    ///
    /// # Errors
    /// Fails where it does not: its disk is full, or it is read-only.
    async fn check_writable(&self) -> Result<(), StorageError>;

    /// Ends the calls in progress and closes the connections, within the store timeout. Calls made afterwards fail with
    /// `Unavailable`.
    async fn close(&self);
}
