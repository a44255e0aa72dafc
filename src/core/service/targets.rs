//! Notification targets.

use super::Service;
use super::notifications::RefusedCredentials;
use crate::core::auth::{self, TargetSignatureError};
use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, ChannelKind, ChannelName, NewTarget, NotificationTarget, TargetFilter,
    TargetKind,
};
use crate::core::ports::BusMessage;

/// Why a target was not registered.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Only sockets of a user receive the events of such a channel.
    #[error("targets cannot follow a #server-to-user- channel: use personal-<user>")]
    Kind,
    /// The channel requires a signature.
    #[error(transparent)]
    Signature(#[from] TargetSignatureError),
    /// The store is unavailable.
    #[error("the targets could not be accessed: the store is unavailable, try again later")]
    Storage(#[from] StorageError),
}

/// A registration that is requested.
#[derive(Debug, Clone)]
pub struct RegisterTarget {
    /// The target and its channel.
    pub target: NewTarget,
    /// The signature for a closed channel.
    pub auth: Option<String>,
    /// Whether the address's other registrations are removed.
    pub only: bool,
}

impl Service {
    /// Registers a target for the events of a channel; a repetition returns the existing registration.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub async fn register_target(
        &self,
        app: &App,
        request: RegisterTarget,
    ) -> Result<NotificationTarget, TargetError> {
        let RegisterTarget { target, auth, only } = request;
        match target.channel.kind() {
            ChannelKind::User => return Err(TargetError::Kind),
            ChannelKind::Public => {}
            ChannelKind::Private
            | ChannelKind::Presence
            | ChannelKind::Personal
            | ChannelKind::Peer => {
                let address = target.address.expose();
                auth::check_target_auth(app, auth.as_deref(), address, &target.channel)?;
            }
        }
        let now = self.ports.clock.now();
        let (target, is_new) = self
            .ports
            .stores
            .targets
            .register(&app.ident, &target, only, now)
            .await?;
        let targets = self.parts.notifications.targets();
        if is_new && !targets.is_known(&app.ident) {
            targets.changed(&app.ident);
            // A node that misses the message reads it from the store within a minute.
            let _ = self
                .ports
                .nodes
                .bus
                .publish(BusMessage::AppChanged(app.ident.clone()))
                .await;
        }
        Ok(target)
    }

    /// Registrations of a kind that match the filter, with an id above `after`, ordered by id, at most `limit`.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, TargetError> {
        let targets = &self.ports.stores.targets;
        Ok(targets
            .list_targets(app, kind, filter, after, limit)
            .await?)
    }

    /// Removes the registrations of an address, of one channel or of all, and returns them.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn remove_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Vec<NotificationTarget>, TargetError> {
        let targets = &self.ports.stores.targets;
        Ok(targets.remove_target(app, kind, address, channel).await?)
    }

    /// The number of registrations of a kind, of all apps.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn count_targets(&self, kind: TargetKind) -> Result<u64, StorageError> {
        self.ports.stores.targets.count_targets(kind).await
    }

    /// The credentials of a kind that a push service or mail server refuses, as this node has seen it.
    pub fn refused_credentials(&self, kind: TargetKind) -> Option<RefusedCredentials> {
        self.parts.notification_sender.refused(kind)
    }
}
