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
    /// The channels whose registrations a link ends; empty: they have ended.
    ///
    /// # Errors
    /// See [`UnsubscribeError`].
    pub async fn mail_registrations(
        &self,
        token: &str,
    ) -> Result<Vec<ChannelName>, UnsubscribeError> {
        let (_, targets) = self.registrations_of(token).await?;
        Ok(targets.into_iter().map(|target| target.channel).collect())
    }

    /// Ends the registrations of a link. Where they have ended, nothing changes.
    ///
    /// # Errors
    /// See [`UnsubscribeError`].
    pub async fn unsubscribe_mail(&self, token: &str) -> Result<(), UnsubscribeError> {
        let (token, targets) = self.registrations_of(token).await?;
        for target in targets {
            let (kind, address) = (target.kind, target.address.expose());
            let removed = self
                .remove_targets(token.app(), kind, address, Some(&target.channel))
                .await;
            removed.map_err(storage)?;
        }
        Ok(())
    }

    /// The registration of the link; with it, where it has digests, the others whose events are in the same ones.
    async fn registrations_of(
        &self,
        token: &str,
    ) -> Result<(UnsubscribeToken, Vec<NotificationTarget>), UnsubscribeError> {
        /// The registrations of an address that one link ends, at most.
        const MOST: usize = 10_000;
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
        let Some(target) = target.filter(|target| token.is_of(target)) else {
            return Ok((token, Vec::new()));
        };
        if target.digest.is_none() {
            return Ok((token, vec![target]));
        }
        let of_address = TargetFilter {
            address: Some(target.address.clone()),
            channel: None,
        };
        let found = self.list_targets(token.app(), kind, &of_address, 0, MOST);
        let mut found = found.await.map_err(storage)?;
        found.retain(|other| other.digest == target.digest);
        // The last one: until it has ended, the link ends those that are left after a failure.
        found.sort_by_key(|other| other.id == target.id);
        Ok((token, found))
    }
}

fn storage(error: TargetError) -> UnsubscribeError {
    match error {
        TargetError::Storage(error) => UnsubscribeError::Storage(error),
        TargetError::Kind | TargetError::Signature(_) => UnsubscribeError::Invalid,
    }
}
