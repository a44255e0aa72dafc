//! Log-in and session tokens.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::login_throttle::{GuessTarget, LoginsThrottled};
use crate::core::auth::{self, RandomError};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, ClientNetwork, CredentialDigest, Secret, Session};
use crate::core::ports::BusMessage;

/// A new session token.
#[derive(Clone)]
pub struct NewSessionToken {
    /// The token that the client sends with each request.
    pub text: String,
    /// The time from its creation to its expiry.
    pub ttl: Duration,
}

/// What a log-in presents.
#[derive(Clone, Copy)]
pub struct LoginCredentials<'a> {
    /// The app's identifier.
    pub app_id: &'a str,
    /// Its public key.
    pub app_key: &'a str,
    /// Its secret, or its previous one.
    pub app_secret: &'a str,
}

impl LoginCredentials<'_> {
    /// The secret of the app that they contain; `None`: they do not fit.
    fn judge<'app>(&self, app: &'app App) -> Option<&'app Secret> {
        // All are always compared: the response time must not reveal which one is wrong.
        let secret = app.secrets().fold(None, |found, secret| {
            match secret.matches(self.app_secret) {
                true => Some(secret),
                false => found,
            }
        });
        secret.filter(|_| app.key == self.app_key)
    }
}

/// Why a log-in or a session token is rejected.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The id, key or secret is not right.
    #[error("app_id, app_key and app_secret do not match: check all three")]
    Credentials,
    /// What was entered to open the console is not right.
    #[error(
        "these do not fit: check the id or key of the app and its secret, or the administrator's token (PUSHI_ADMIN_TOKEN)"
    )]
    ConsoleCredentials,
    /// The session is unknown or has ended.
    #[error("the session token is unknown or has expired: log in again")]
    Session,
    /// The app was disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// Too many have failed.
    #[error(transparent)]
    Throttled(#[from] LoginsThrottled),
    /// The store is unavailable.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
    /// No random numbers for a token.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// A valid session of an app.
#[derive(Clone)]
pub struct AppSession {
    /// The session's app.
    pub app: Arc<App>,
    /// Its token.
    token: Secret,
    credential: CredentialDigest,
}

impl AppSession {
    /// The session token.
    pub fn token(&self) -> &str {
        self.token.expose()
    }

    /// Whether this secret of the app opened the session. A session reads no other.
    pub fn was_opened_with(&self, app: &App, secret: &Secret) -> bool {
        auth::credential_digest(self.token.expose(), app.id, secret) == self.credential
    }

    /// The secret that opened it, while it is valid.
    fn current_secret(&self) -> Option<&Secret> {
        let mut secrets = self.app.secrets();
        secrets.find(|secret| self.was_opened_with(&self.app, secret))
    }
}

impl Service {
    /// Checks an app's credentials and creates a session. `client`: who sent them; `None`: this process.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        client: Option<ClientNetwork>,
        credentials: LoginCredentials<'_>,
    ) -> Result<NewSessionToken, LoginError> {
        let app = match AppIdent::parse(credentials.app_id) {
            Ok(ident) => self.parts.apps.read_through(&ident).await?,
            Err(_) => None,
        };
        let target = match &app {
            Some(app) => GuessTarget::App(app.id),
            None => GuessTarget::NoApp,
        };
        let ident = app.as_ref().map(|app| &app.ident);
        let judge = || app.as_deref().and_then(|app| credentials.judge(app));
        let secret = self.parts.logins.judge(client, target, ident, judge)?;
        let (Some(app), Some(secret)) = (&app, secret) else {
            return Err(LoginError::Credentials);
        };
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        self.open_session(app, secret, self.rules.session_ttl).await
    }

    /// Creates a session of an app, as if it had been opened with the app's secret.
    ///
    /// # Errors
    /// Fails where there is no such app, the store fails, or the operating system provides no random numbers.
    pub async fn create_session(&self, app: &AppIdent) -> Result<NewSessionToken, LoginError> {
        let app = self.parts.apps.read_through(app).await?;
        let app = app.ok_or(StorageError::NotFound)?;
        self.open_session(&app, &app.secret, self.rules.session_ttl)
            .await
    }

    pub(super) async fn open_session(
        &self,
        app: &App,
        secret: &Secret,
        ttl: Duration,
    ) -> Result<NewSessionToken, LoginError> {
        let text = auth::random_hex::<32>()?;
        let session = Session {
            hash: auth::token_hash(&text),
            app: app.ident.clone(),
            credential: auth::credential_digest(&text, app.id, secret),
            expires: self.ports.clock.now().plus(ttl),
        };
        self.parts.sessions.create(session).await?;
        Ok(NewSessionToken { text, ttl })
    }

    /// The session of a token. It ends with the secret that opened it. While the store is unavailable, a session that is
    /// cached on this node stays valid.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn session(&self, token: &str) -> Result<AppSession, LoginError> {
        let hash = auth::token_hash(token);
        let found = loop {
            let generation = self.parts.sessions.generation();
            let cached = self.parts.sessions.get(&hash).await?;
            let cached = cached.ok_or(LoginError::Session)?;
            let session = &cached.session;
            let of = |app: Arc<App>| AppSession {
                app,
                token: Secret::new(token),
                credential: session.credential,
            };
            let known = |found: &AppSession| cached.is_known_current(&found.app);
            let current = |found: &AppSession| known(found) || found.current_secret().is_some();
            let found = self.parts.apps.get(&session.app).await?.map(of);
            let found = match found.filter(current) {
                Some(found) => found,
                // The cached app may be older than the secret that opened the session.
                None => {
                    let stored = self.parts.apps.read_through(&session.app).await?;
                    let stored = stored.map(of).filter(current);
                    stored.ok_or(LoginError::Session)?
                }
            };
            if !known(&found)
                && let Some(secret) = found.current_secret()
            {
                let sessions = &self.parts.sessions;
                sessions.set_opened_with(&hash, &found.app, secret);
            }
            // Otherwise the session may be that of an earlier app with the same ident.
            if self.parts.sessions.generation() == generation {
                break found;
            }
        };
        if !found.app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        Ok(found)
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
