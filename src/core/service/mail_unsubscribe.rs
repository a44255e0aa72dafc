//! Ending registrations of e-mail addresses from the mails themselves.

use super::{AppError, Service, TargetError};
use crate::core::auth::UnsubscribeToken;
use crate::core::error::StorageError;
use crate::core::model::{ChannelName, NotificationTarget, TargetFilter, TargetKind};

/// Why a link has no effect.
#[derive(Debug, thiserror::Error)]
pub enum UnsubscribeError {
    /// It is not one that this server has made.
    #[error("the link is not valid, or not any more")]
    Invalid,
    /// The store is unavailable.
    #[error("the registration could not be accessed: the store is unavailable, try again later")]
    Storage(#[from] StorageError),
}

impl Service {
    /// The channel whose registration a link ends; `None`: the registration has ended.
    ///
    /// # Errors
    /// See [`UnsubscribeError`].
    pub async fn mail_registration(
        &self,
        token: &str,
    ) -> Result<Option<ChannelName>, UnsubscribeError> {
        let (_, target) = self.registration_of(token).await?;
        Ok(target.map(|target| target.channel))
    }

    /// Ends the registration of a link. Where it has ended, nothing changes.
    ///
    /// # Errors
    /// See [`UnsubscribeError`].
    pub async fn unsubscribe_mail(&self, token: &str) -> Result<(), UnsubscribeError> {
        let (token, target) = self.registration_of(token).await?;
        if let Some(target) = target {
            let (kind, address) = (target.kind, target.address.expose());
            let removed = self
                .remove_targets(token.app(), kind, address, Some(&target.channel))
                .await;
            removed.map_err(storage)?;
        }
        Ok(())
    }

    async fn registration_of(
        &self,
        token: &str,
    ) -> Result<(UnsubscribeToken, Option<NotificationTarget>), UnsubscribeError> {
        let token = UnsubscribeToken::parse(token).ok_or(UnsubscribeError::Invalid)?;
        let app = self.app(token.app()).await.map_err(|error| match error {
            AppError::Storage(error) => UnsubscribeError::Storage(error),
            _ => UnsubscribeError::Invalid,
        })?;
        if !token.is_signed_by(&app) {
            return Err(UnsubscribeError::Invalid);
        }
        let (kind, all) = (TargetKind::Smtp, TargetFilter::default());
        let found = self
            .list_targets(token.app(), kind, &all, token.id() - 1, 1)
            .await;
        let target = found.map_err(storage)?.pop();
        let target = target.filter(|target| token.is_of(target));
        Ok((token, target))
    }
}

fn storage(error: TargetError) -> UnsubscribeError {
    match error {
        TargetError::Storage(error) => UnsubscribeError::Storage(error),
        TargetError::Kind | TargetError::Signature(_) => UnsubscribeError::Invalid,
    }
}
