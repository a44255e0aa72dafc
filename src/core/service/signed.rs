//! Requests that are signed with an app's secret.

use std::sync::Arc;

use super::Service;
use crate::core::auth::{RequestError, SignedRequest};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent};

/// Why a signed request is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// No app has this identifier.
    #[error("there is no such app: check the app id in the path")]
    NoApp,
    /// The signature, or something that it covers, is wrong.
    #[error(transparent)]
    Signature(#[from] RequestError),
    /// The app was disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// The store is unavailable, and the app is not cached.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
}

impl Service {
    /// The app that signed a request. That an app is disabled is revealed only where the signature is right.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub async fn signed_app(
        &self,
        ident: &str,
        request: &SignedRequest<'_>,
    ) -> Result<Arc<App>, SignedError> {
        let ident = AppIdent::parse(ident).map_err(|_| SignedError::NoApp)?;
        let app = self
            .parts
            .apps
            .get(&ident)
            .await?
            .ok_or(SignedError::NoApp)?;
        request.check(&app, self.ports.clock.now())?;
        if app.settings.enabled {
            Ok(app)
        } else {
            Err(SignedError::Disabled)
        }
    }
}
