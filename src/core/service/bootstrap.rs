//! The apps that a server creates when it starts.

use std::sync::Arc;

pub(crate) use super::apps::random_ident;
use super::{AppError, LoginError, NewSessionToken, Service};
use crate::core::model::{App, AppIdent, AppSettings, NewApp, Secret};

/// The app that was created in an empty database.
pub struct FirstApp {
    /// The app `default`.
    pub app: Arc<App>,
    /// A session token of the app.
    pub token: NewSessionToken,
}

/// Why an app could not be created at the start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The apps could not be read or written.
    #[error(transparent)]
    App(#[from] AppError),
    /// The session could not be created.
    #[error(transparent)]
    Session(#[from] LoginError),
}

/// Creates an app with these credentials and settings, or gives the stored app the key, the secret and (where given) the
/// name. A stored app keeps its settings, which the administrator may have changed since.
///
/// # Errors
/// Fails where another app has the key, or the store fails.
pub async fn ensure_app(
    service: &Service,
    ident: &AppIdent,
    key: &str,
    secret: &Secret,
    name: Option<&str>,
    settings: AppSettings,
) -> Result<(), AppError> {
    match service.app(ident).await {
        Ok(stored) => {
            service
                .adopt_credentials(&stored.ident, key, secret, name)
                .await
        }
        Err(AppError::NotFound) => {
            let new = NewApp {
                name: name.map_or_else(|| ident.to_string(), str::to_owned),
                ident: Some(ident.clone()),
                key: Some(key.to_owned()),
                secret: Some(secret.clone()),
                settings,
                ..NewApp::default()
            };
            match service.create_app(new).await {
                // Another node with the same configuration was faster.
                Err(AppError::Taken("ident")) | Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// The name of the app of a first start.
pub const FIRST_APP: &str = "default";

/// Creates the app [`FIRST_APP`] with this identifier and a session token for it; `None`: the database has other apps. Of
/// several servers that start at once, one creates it. An attempt that failed can be repeated with the same identifier.
///
/// # Errors
/// Fails where the store does, or the operating system provides no random numbers.
pub async fn first_app(
    service: &Service,
    ident: &AppIdent,
) -> Result<Option<FirstApp>, BootstrapError> {
    let app = match service.apps(0, 1).await?.pop() {
        // An earlier attempt took effect.
        Some(app) => (app.ident == *ident).then(|| Arc::new(app)),
        None => {
            let new = NewApp {
                name: FIRST_APP.to_owned(),
                ident: Some(ident.clone()),
                ..NewApp::default()
            };
            service.create_first_app(new).await?
        }
    };
    let Some(app) = app else {
        return Ok(None);
    };
    let token = service.create_session(&app.ident).await?;
    Ok(Some(FirstApp { app, token }))
}
