//! Log-in and session tokens.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use crate::core::auth::{self, RandomError};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Session};
use crate::core::ports::BusMessage;

/// A new session token.
#[derive(Clone)]
pub struct NewSessionToken {
    /// The token that the client sends with each request.
    pub text: String,
    /// The time from its creation to its expiry.
    pub ttl: Duration,
}

/// Why a log-in or a session token is rejected.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The id, key or secret is not right.
    #[error("app_id, app_key and app_secret do not match: check all three")]
    Credentials,
    /// The session is unknown or has ended.
    #[error("the session token is unknown or has expired: log in again")]
    Session,
    /// The app was disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// The store is unavailable.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
    /// No random numbers for a token.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Service {
    /// Checks an app's credentials and creates a session.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        app_id: &str,
        app_key: &str,
        app_secret: &str,
    ) -> Result<NewSessionToken, LoginError> {
        let ident = AppIdent::parse(app_id).map_err(|_| LoginError::Credentials)?;
        let app = self
            .parts
            .apps
            .read_through(&ident)
            .await?
            .ok_or(LoginError::Credentials)?;
        // Both are always compared: the response time must not reveal which one is wrong.
        let secret_fits = app
            .secrets()
            .fold(false, |fits, secret| secret.matches(app_secret) | fits);
        if !(secret_fits & (app.key == app_key)) {
            return Err(LoginError::Credentials);
        }
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        self.create_session(&app.ident).await
    }

    /// Creates a session of an app.
    ///
    /// # Errors
    /// Fails where the store does, or the operating system provides no random numbers.
    pub async fn create_session(&self, app: &AppIdent) -> Result<NewSessionToken, LoginError> {
        let text = auth::random_hex::<32>()?;
        let ttl = self.rules.session_ttl;
        let session = Session {
            hash: auth::token_hash(&text),
            app: app.clone(),
            expires: self.ports.clock.now().plus(ttl),
        };
        self.parts.sessions.create(session).await?;
        Ok(NewSessionToken { text, ttl })
    }

    /// The app of a session token. While the store is unavailable, a session that is cached on this node stays valid.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn session(&self, token: &str) -> Result<Arc<App>, LoginError> {
        let hash = auth::token_hash(token);
        let session = self.parts.sessions.get(&hash).await?;
        let session = session.ok_or(LoginError::Session)?;
        let app = self.parts.apps.get(&session.app).await?;
        let app = app.ok_or(LoginError::Session)?;
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        Ok(app)
    }

    /// Ends a session; does nothing where there is none.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn logout(&self, token: &str) -> Result<(), LoginError> {
        let hash = auth::token_hash(token);
        self.parts.sessions.end(&hash).await?;
        // A node that misses the message reads the store within a second.
        let message = BusMessage::SessionEnded(hash);
        let _ = self.ports.nodes.bus.publish(message).await;
        Ok(())
    }
}
