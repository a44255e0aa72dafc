//! The session cache: sessions that the store has confirmed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Secret, Session, Timestamp, TokenHash};
use crate::core::ports::{Clock, SessionStore};

/// For how long a confirmed session is used without another read: a logout takes effect on every node within a second.
const FRESH: Duration = Duration::from_millis(900);

/// The number of sessions at which the cache is emptied.
const CAPACITY: usize = 100_000;

/// Sessions by the hash of their token.
pub(super) struct SessionCache {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    sessions: Mutex<HashMap<TokenHash, CachedSession>>,
    /// Counts the apps that were forgotten: a session that was read before is not cached after.
    generation: AtomicU64,
}

#[derive(Clone)]
struct CachedSession {
    session: FoundSession,
    confirmed: Timestamp,
}

/// A session that is valid as far as the store knows.
#[derive(Clone)]
pub(super) struct FoundSession {
    pub session: Session,
    /// The id of the app and its secret that opened the session, once they were found: comparing secrets takes less than
    /// computing the digest.
    opened_with: Option<(u64, Arc<Secret>)>,
}

impl From<Session> for FoundSession {
    fn from(session: Session) -> Self {
        Self {
            session,
            opened_with: None,
        }
    }
}

impl FoundSession {
    /// Whether one of the app's secrets was found to have opened the session.
    pub(super) fn is_known_current(&self, app: &App) -> bool {
        self.opened_with.as_ref().is_some_and(|(app_id, secret)| {
            *app_id == app.id && app.secrets().any(|current| current == &**secret)
        })
    }
}

impl CachedSession {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.confirmed.plus(FRESH) > now && self.confirmed <= now
    }
}

impl SessionCache {
    pub(super) fn new(store: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            sessions: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// The number of apps that were forgotten so far.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Removes the sessions of an app that was deleted.
    pub(super) fn forget(&self, app: &AppIdent) {
        let mut sessions = self.sessions.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        sessions.retain(|_, cached| cached.session.session.app != *app);
    }

    /// The session of a token; `None` where there is none or it has expired. While the store is unavailable, a cached
    /// session stays valid until it expires.
    pub(super) async fn get(&self, hash: &TokenHash) -> Result<Option<FoundSession>, StorageError> {
        let now = self.clock.now();
        let generation = self.generation();
        let cached = self.sessions.lock().get(hash).cloned();
        let session = match cached {
            Some(cached) if cached.is_fresh(now) => Some(cached.session),
            cached => match self.store.get(hash).await {
                Ok(found) => {
                    if let Some(session) = &found {
                        self.insert(session.clone(), now, generation);
                    }
                    found.map(FoundSession::from)
                }
                Err(error) => Some(cached.ok_or(error)?.session),
            },
        };
        let session = session.filter(|found| found.session.expires > now);
        if session.is_none() {
            self.invalidate(hash);
        }
        Ok(session)
    }

    /// Stores a new session.
    pub(super) async fn create(&self, session: Session) -> Result<(), StorageError> {
        let (now, generation) = (self.clock.now(), self.generation());
        self.store.put(&session).await?;
        self.insert(session, now, generation);
        Ok(())
    }

    /// Ends a session on all nodes that share the store.
    pub(super) async fn end(&self, hash: &TokenHash) -> Result<(), StorageError> {
        self.store.end(hash).await?;
        self.invalidate(hash);
        Ok(())
    }

    /// Ends all sessions of an app on all nodes that share the store: others read it again within a second.
    pub(super) async fn end_all(&self, app: &AppIdent) -> Result<(), StorageError> {
        self.store.end_all(app).await?;
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, cached| cached.session.session.app != *app);
        Ok(())
    }

    /// Removes a session from the cache: it was ended.
    pub(super) fn invalidate(&self, hash: &TokenHash) {
        self.sessions.lock().remove(hash);
    }

    fn insert(&self, session: Session, confirmed: Timestamp, generation: u64) {
        let mut sessions = self.sessions.lock();
        if self.generation() != generation {
            return;
        }
        if sessions.len() >= CAPACITY {
            sessions.clear();
        }
        let hash = session.hash;
        let session = session.into();
        sessions.insert(hash, CachedSession { session, confirmed });
    }

    /// Remembers which secret of the app opened the session.
    pub(super) fn set_opened_with(&self, hash: &TokenHash, app: &App, secret: &Secret) {
        if let Some(cached) = self.sessions.lock().get_mut(hash) {
            cached.session.opened_with = Some((app.id, Arc::new(secret.clone())));
        }
    }
}
