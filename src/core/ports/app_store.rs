//! Storage of apps.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, AppSettings, PushCredentials, Secret, Timestamp};

/// A new app; the store assigns its `id`.
#[derive(Debug, Clone)]
pub struct CreateApp {
    /// The public identifier, unique in the store.
    pub ident: AppIdent,
    /// A display name.
    pub name: String,
    /// A longer description.
    pub description: Option<String>,
    /// The public key, unique in the store.
    pub key: String,
    /// Signs requests and subscriptions.
    pub secret: Secret,
    /// Credentials of push services.
    pub push: PushCredentials,
    /// The app's settings.
    pub settings: AppSettings,
    /// The time of creation; becomes `created` and `modified`.
    pub now: Timestamp,
    /// Whether it is created only in a store without apps.
    pub first: bool,
}

impl CreateApp {
    /// The app with the `id` that the store assigned.
    pub fn into_app(self, id: u64) -> App {
        App {
            id,
            ident: self.ident,
            name: self.name,
            description: self.description,
            key: self.key,
            secret: self.secret,
            previous_secret: None,
            push: self.push,
            settings: self.settings,
            created: self.now,
            modified: self.now,
        }
    }
}

/// Stores apps.
#[async_trait]
pub trait AppStore: Send + Sync {
    /// Stores a new app and assigns an `id` that is unique in the store and grows with each app. Of several concurrent calls
    /// with the same ident or key exactly one succeeds, and at most one of those with `first`.
    ///
    /// # Errors
    /// `Conflict("ident")` or `Conflict("key")` where another app has the same, `Conflict("first")` where `first` is set and
    /// there is an app; then nothing is stored.
    async fn create(&self, app: CreateApp) -> Result<App, StorageError>;

    /// Replaces the app of `app.ident` if its stored `modified` is still `expected_modified`. All fields are read back as they
    /// were written; `id`, `ident` and `created` do not change. The caller sets a later `modified`.
    ///
    /// # Errors
    /// `Conflict("modified")` where the app was changed meanwhile, `Conflict("key")` where another app has the new key,
    /// `NotFound` where the app was deleted.
    async fn update(&self, app: &App, expected_modified: Timestamp) -> Result<(), StorageError>;

    /// Deletes the app with all its data (events, subscriptions, sessions). An app created later with the same ident starts
    /// empty, with serials from 1.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError>;

    /// The app with this identifier; `None` where there is none.
    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError>;

    /// The app with this public key; `None` where there is none.
    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError>;

    /// Apps with an `id` above `after`, ordered by `id`, at most `limit`.
    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError>;

    /// The number of apps.
    async fn count(&self) -> Result<u64, StorageError>;

    /// A number that changes with every create, update and delete, by any process. Cheap: every node reads it twice a
    /// second.
    async fn revision(&self) -> Result<u64, StorageError>;
}
