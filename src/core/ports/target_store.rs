//! Storage of notification targets.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, NewTarget, NotificationTarget, TargetFilter, TargetKind, Timestamp,
};

/// Stores the registrations of notification targets: one for each address and channel of an app.
#[async_trait]
pub trait TargetStore: Send + Sync {
    /// Stores a registration, and returns it and whether it is new. A repetition, also by twenty concurrent callers, returns the
    /// stored one. `only`: the address's other registrations are removed before. Those that it replaces
    /// ([`NewTarget::replaces`]) are removed, too.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn register(
        &self,
        app: &AppIdent,
        target: &NewTarget,
        only: bool,
        now: Timestamp,
    ) -> Result<(NotificationTarget, bool), StorageError>;

    /// Registrations of a kind that match the filter, with an `id` above `after`, ordered by `id`, at most `limit`.
    async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError>;

    /// Removes the registrations of an address, of one channel or of all, and returns them, ordered by `id`.
    async fn remove_target(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Vec<NotificationTarget>, StorageError>;

    /// Those of the channels that have targets, of any kind.
    async fn with_targets(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<ChannelName>, StorageError>;

    /// Whether the app has a target.
    async fn has_targets(&self, app: &AppIdent) -> Result<bool, StorageError>;

    /// The number of registrations of a kind, of all apps.
    async fn count_targets(&self, kind: TargetKind) -> Result<u64, StorageError>;
}
