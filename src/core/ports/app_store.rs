//! Where apps are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, AppSettings, PushCredentials, Secret, Timestamp};

/// An app as it is to be stored; the store gives it its `id`.
#[derive(Debug, Clone)]
pub struct CreateApp {
    /// Public identifier; unique.
    pub ident: AppIdent,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// Public key; unique.
    pub key: String,
    /// Signs.
    pub secret: Secret,
    /// For the push services.
    pub push: PushCredentials,
    /// What can be set.
    pub settings: AppSettings,
    /// When; becomes `created` and `modified`.
    pub now: Timestamp,
}

/// Where apps are kept.
#[async_trait]
pub trait AppStore: Send + Sync {
    /// Stores a new app and gives it an `id` unique in the store, growing with each app. `Conflict("ident")` or
    /// `Conflict("key")` where another app has the same; then nothing is stored. Of several at once with the same
    /// ident or key exactly one succeeds.
    async fn create(&self, app: CreateApp) -> Result<App, StorageError>;

    /// Replaces the app of `app.ident` if its stored `modified` still is `seen`; what is written is what is read
    /// back afterwards, whole. `Conflict("modified")` where somebody else changed it meanwhile, `Conflict("key")` where
    /// another app has its new key, `NotFound` where it is gone.
    /// `id`, `ident` and `created` do not change. The caller gives a `modified` later than `seen`.
    async fn update(&self, app: &App, seen: Timestamp) -> Result<(), StorageError>;

    /// Deletes the app with everything that belongs to it (events, subscriptions, sessions). `NotFound` where it is
    /// not there. An app created later with the same ident starts empty, its serials from 1.
    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError>;

    /// The app with this identifier; `None` where there is none.
    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError>;

    /// The app with this public key; `None` where there is none.
    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError>;

    /// Apps in the order of their `id`, those with an `id` above `after`, at most `limit`.
    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError>;

    /// A number that differs from what it was before any create, update or delete, by whichever process. Cheap:
    /// every node asks it twice a second.
    async fn revision(&self) -> Result<u64, StorageError>;
}
