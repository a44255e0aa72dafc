//! Signing in to the console, and out of it.
//!
//! A session of an app is one of the store's. The administrator's is a signed token, which every node verifies without a store; when
//! it is ended, the nodes remember that until it would have expired.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use super::login_throttle::GuessTarget;
use super::{AppSession, LoginError, NewSessionToken, Service};
use crate::core::auth;
use crate::core::model::{AppIdent, ClientNetwork, Secret, TokenHash};
use crate::core::ports::BusMessage;

/// The longest lifetime of a session.
const TTL: Duration = Duration::from_secs(12 * 3_600);

/// What the console may access.
pub enum ConsoleAccess {
    /// Every app.
    Administrator,
    /// The app of the session.
    App(Box<AppSession>),
}

/// The last sessions that were ended by signing out: at most [`EndedSessions::CAPACITY`], of 32 bytes each.
#[derive(Default)]
pub(super) struct EndedSessions(Mutex<VecDeque<TokenHash>>);

impl EndedSessions {
    const CAPACITY: usize = 20_000;

    pub(super) fn insert(&self, hash: TokenHash) {
        let mut ended = self.0.lock();
        if !ended.contains(&hash) {
            if ended.len() >= Self::CAPACITY {
                ended.pop_front();
            }
            ended.push_back(hash);
        }
    }

    fn contains(&self, hash: &TokenHash) -> bool {
        self.0.lock().contains(hash)
    }
}

impl Service {
    /// Opens a session of the app with this id or key. `client`: who sent them; `None`: this process.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn open_app_console(
        &self,
        client: Option<ClientNetwork>,
        id_or_key: &str,
        secret: &str,
    ) -> Result<NewSessionToken, LoginError> {
        let by_id = match AppIdent::parse(id_or_key) {
            Ok(ident) => self.parts.apps.read_through(&ident).await?,
            Err(_) => None,
        };
        let app = match by_id {
            Some(app) => Some(app),
            None => match self.parts.apps.get_by_key(id_or_key).await? {
                // The cached app may be older than its secret.
                Some(app) => self.parts.apps.read_through(&app.ident).await?,
                None => None,
            },
        };
        let target = app
            .as_ref()
            .map_or(GuessTarget::NoApp, |app| GuessTarget::App(app.id));
        let ident = app.as_ref().map(|app| &app.ident);
        let judge = || {
            let mut secrets = app.as_deref()?.secrets();
            secrets.find(|known| known.matches(secret))
        };
        let found = self.parts.logins.judge(client, target, ident, judge)?;
        let (Some(app), Some(secret)) = (&app, found) else {
            return Err(LoginError::ConsoleCredentials);
        };
        if !app.settings.enabled {
            return Err(LoginError::Disabled);
        }
        self.open_session(app, secret, self.console_ttl()).await
    }

    /// Opens a session of the administrator, whose token this is if `presented` equals it.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn open_administrator_console(
        &self,
        client: Option<ClientNetwork>,
        token: Option<&Secret>,
        presented: &str,
    ) -> Result<NewSessionToken, LoginError> {
        let fits = token.is_some_and(|token| token.matches(presented));
        let (true, Some(token)) = (self.judge_token(client, fits)?, token) else {
            return Err(LoginError::ConsoleCredentials);
        };
        let ttl = self.console_ttl();
        let text = auth::administrator_session(token, self.ports.clock.now(), ttl)?;
        Ok(NewSessionToken { text, ttl })
    }

    /// Whether a session is one of the administrator's that is valid.
    pub fn is_administrator_console(&self, token: Option<&Secret>, session: &str) -> bool {
        let now = self.ports.clock.now();
        token.is_some_and(|token| auth::check_administrator_session(session, token, now))
            && !self
                .parts
                .ended_sessions
                .contains(&auth::token_hash(session))
    }

    /// What a session of the console may access. `token`: the administrator's.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn console_access(
        &self,
        token: Option<&Secret>,
        session: &str,
    ) -> Result<ConsoleAccess, LoginError> {
        if auth::is_administrator_session(session) {
            return match self.is_administrator_console(token, session) {
                true => Ok(ConsoleAccess::Administrator),
                false => Err(LoginError::Session),
            };
        }
        let session = self.session(session).await?;
        Ok(ConsoleAccess::App(Box::new(session)))
    }

    /// Ends a session of the console, on all nodes.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn close_console(&self, session: &str) -> Result<(), LoginError> {
        if !auth::is_administrator_session(session) {
            return self.logout(session).await;
        }
        let hash = auth::token_hash(session);
        self.parts.ended_sessions.insert(hash);
        let message = BusMessage::SessionEnded(hash);
        if let Err(error) = self.ports.nodes.bus.publish(message).await {
            tracing::warn!(%error, "the end of a console session was not sent to the other nodes");
        }
        Ok(())
    }

    fn console_ttl(&self) -> Duration {
        self.rules.session_ttl.min(TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ended_sessions_are_forgotten() {
        let ended = EndedSessions::default();
        let hash = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            TokenHash(bytes)
        };
        for n in 0..=EndedSessions::CAPACITY {
            ended.insert(hash(n));
            if n == 0 {
                ended.insert(hash(0));
            }
        }
        assert_eq!(ended.0.lock().len(), EndedSessions::CAPACITY);
        assert!(!ended.contains(&hash(0)) && ended.contains(&hash(1)));
    }
}
