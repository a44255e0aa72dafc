//! Logging in, and what a token is worth.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Service;
use crate::core::auth::{self, RandomError};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Session, Timestamp, TokenHash};
use crate::core::ports::BusMessage;

/// How long a session that the store confirmed is believed without asking again: it ends everywhere within a second.
const BELIEVED: Duration = Duration::from_millis(900);

/// More known sessions than this, and the node forgets them all and asks again.
const MOST_KNOWN: usize = 100_000;

/// A session token that was just made.
#[derive(Clone)]
pub struct Token {
    /// What the client gives from now on.
    pub text: String,
    /// How long it is good.
    pub ttl: Duration,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The id, key or secret is not right.
    #[error("app_id, app_key and app_secret do not fit: check all three")]
    Credentials,
    /// There is no such session, or it has ended.
    #[error("the session token is unknown or has ended: log in again")]
    Session,
    /// The app was disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// The store is away.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
    /// No random numbers for a token.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Sessions that the store has confirmed.
#[derive(Default)]
pub(super) struct SessionCache(Mutex<HashMap<TokenHash, Known>>);

#[derive(Clone)]
struct Known {
    session: Session,
    confirmed: Timestamp,
}

impl SessionCache {
    pub fn forget(&self, hash: &TokenHash) {
        self.0.lock().remove(hash);
    }

    fn get(&self, hash: &TokenHash) -> Option<Known> {
        self.0.lock().get(hash).cloned()
    }

    fn put(&self, session: Session, confirmed: Timestamp) {
        let mut known = self.0.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(session.hash, Known { session, confirmed });
    }
}

impl Service {
    /// Checks an app's credentials and makes a token.
    pub async fn login(
        &self,
        app_id: &str,
        app_key: &str,
        app_secret: &str,
    ) -> Result<Token, LoginError> {
        let ident = AppIdent::parse(app_id).map_err(|_| LoginError::Credentials)?;
        let app = self
            .fresh_app(&ident)
            .await?
            .ok_or(LoginError::Credentials)?;
        // Both are always compared, so that the time says nothing about either.
        let secret_fits = app
            .secrets()
            .fold(false, |fits, secret| secret.matches(app_secret) | fits);
        if !(secret_fits & (app.key == app_key)) {
            return Err(LoginError::Credentials);
        }
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        self.make_token(&app.ident).await
    }

    /// Makes a session token for an app.
    pub async fn make_token(&self, app: &AppIdent) -> Result<Token, LoginError> {
        let text = auth::random_hex::<32>()?;
        let ttl = self.rules.session_ttl;
        let now = self.ports.clock.now();
        let session = Session {
            hash: auth::token_hash(&text),
            app: app.clone(),
            expires: now.plus(ttl),
        };
        self.ports.stores.sessions.put(&session).await?;
        self.sessions.put(session, now);
        Ok(Token { text, ttl })
    }

    /// The app that a token is good for. A session that this node knows does not need the store while that is away.
    pub async fn session(&self, token: &str) -> Result<Arc<App>, LoginError> {
        let hash = auth::token_hash(token);
        let now = self.ports.clock.now();
        let known = self.sessions.get(&hash);
        let fresh = |known: &Known| known.confirmed.plus(BELIEVED) > now && known.confirmed <= now;
        let session = match known {
            Some(known) if fresh(&known) => known.session,
            known => match self.ports.stores.sessions.get(&hash).await {
                Ok(Some(session)) => {
                    self.sessions.put(session.clone(), now);
                    session
                }
                Ok(None) => {
                    self.sessions.forget(&hash);
                    return Err(LoginError::Session);
                }
                Err(error) => known.ok_or(error)?.session,
            },
        };
        if session.expires <= now {
            self.sessions.forget(&hash);
            return Err(LoginError::Session);
        }
        let app = self
            .app_by_ident(&session.app)
            .await?
            .ok_or(LoginError::Session)?;
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        Ok(app)
    }

    /// Ends a session; nothing happens where there is none.
    pub async fn logout(&self, token: &str) -> Result<(), LoginError> {
        let hash = auth::token_hash(token);
        self.ports.stores.sessions.end(&hash).await?;
        self.sessions.forget(&hash);
        // A node that does not hear this asks the store within a second.
        let _ = self
            .ports
            .nodes
            .bus
            .publish(BusMessage::SessionEnded(hash))
            .await;
        Ok(())
    }
}
