//! What opened a stream: the stream ends with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Tail;
use crate::core::model::{App, Secret};
use crate::core::service::{AppSession, LoginError, Service};

/// How often it is checked whether a stream may go on, where nothing has reported a change.
pub(super) const CHECK: Duration = Duration::from_millis(500);

/// How long a check waits for the store. A store that is unavailable ends no stream.
const PATIENCE: Duration = Duration::from_millis(500);

/// What opened a stream.
pub enum TailAccess {
    /// The administrator's token, which is the same as long as the process runs.
    AdministratorToken,
    /// A session of the administrator in the console.
    AdministratorSession {
        /// The administrator's token.
        token: Secret,
        /// The session's.
        session: Secret,
    },
    /// A session of the app.
    App(Box<AppSession>),
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailEnd {
    /// The server stops.
    Stopping,
    /// Its time has passed.
    Time,
    /// The session that opened it has ended.
    Session,
    /// The app was deleted, or disabled while a session of it watched.
    App,
}

impl Tail {
    /// Has all streams of this node checked before their next entry: a session or an app may have ended.
    pub(in crate::core::service) fn check_access(&self) {
        for watch in self.watches.read().iter() {
            watch.check();
        }
    }
}

impl Service {
    /// Why a stream of the app may not go on; `None`: it may.
    pub(super) async fn end_of_access(
        &self,
        access: &TailAccess,
        app: &Arc<App>,
    ) -> Option<TailEnd> {
        let ended = timeout(PATIENCE, async {
            match access {
                TailAccess::App(session) => self.end_of_session(session, app).await,
                TailAccess::AdministratorSession { token, session }
                    if !self.is_administrator_console(Some(token), session.expose()) =>
                {
                    Some(TailEnd::Session)
                }
                TailAccess::AdministratorToken | TailAccess::AdministratorSession { .. } => {
                    match self.parts.apps.get(&app.ident).await {
                        Ok(Some(found)) if found.id == app.id => None,
                        Ok(_) => Some(TailEnd::App),
                        Err(_) => None,
                    }
                }
            }
        });
        ended.await.ok().flatten()
    }

    async fn end_of_session(&self, session: &AppSession, app: &App) -> Option<TailEnd> {
        match self.session(session.token()).await {
            Ok(found) if found.app.id == app.id => None,
            Ok(_) | Err(LoginError::Session) => Some(TailEnd::Session),
            Err(LoginError::Disabled) => Some(TailEnd::App),
            Err(_) => None,
        }
    }
}
