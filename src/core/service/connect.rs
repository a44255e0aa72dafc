//! Admitting connections.

use ::core::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Service;
use crate::core::error::StorageError;
use crate::core::hub::{CapacityExceeded, Connection, ConnectionOrigin};
use crate::core::limit::TokenBucket;
use crate::core::model::{App, OverCapacity, Timestamp, origin};
use crate::core::ports::DialectId;

/// Whether a client's connection is encrypted, up to this server or to a trusted proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// By TLS.
    Tls,
    /// It is not.
    Plain,
    /// A proxy forwarded it, and no trusted one states whether it is.
    Unstated,
}

impl From<bool> for Encryption {
    fn from(encrypted: bool) -> Self {
        if encrypted { Self::Tls } else { Self::Plain }
    }
}

/// A connection request.
#[derive(Debug, Clone, Copy)]
pub struct Connecting<'a> {
    /// The app's public key, as given.
    pub key: &'a str,
    /// The `Origin` header, which browsers send.
    pub origin: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub encryption: Encryption,
    /// The client's protocol.
    pub dialect: DialectId,
    /// The client's address; `None`: not known.
    pub address: Option<IpAddr>,
}

/// Why a connection is rejected. It is closed with [`ConnectError::code`].
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The app requires TLS.
    #[error("this app accepts TLS connections only: use wss://")]
    TlsOnly,
    /// The app requires TLS, and a proxy does not state whether the client uses it. A client that
    /// connects again by TLS would get the same answer.
    #[error(
        "this app accepts TLS connections only, and the proxy in front of the server does not state that the client uses TLS: \
         list the proxy in PUSHI_TRUSTED_PROXIES, and have it send X-Forwarded-Proto"
    )]
    TlsUnstated,
    /// No app has this key.
    #[error("no app has this key: check the app key in the address")]
    NoApp,
    /// The app is disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// The origin is not allowed.
    #[error("connections from this origin are not allowed: ask the administrator to add it")]
    Origin,
    /// The app has reached its limit of connections.
    #[error("the app has reached its limit of connections (max_connections)")]
    AppFull(OverCapacity),
    /// The node has reached its limit of connections.
    #[error(
        "the server has reached its limit of connections (PUSHI_MAX_CONNECTIONS): try again later"
    )]
    NodeFull,
    /// The node has reached its limit of new connections in this second.
    #[error("too many connections at once (PUSHI_MAX_CONNECTS_PER_SECOND): try again in a moment")]
    Admission,
    /// The store is unavailable, and the app is not cached.
    #[error("the app lookup failed: try again later")]
    Storage(#[from] StorageError),
}

impl ConnectError {
    /// The WebSocket close code.
    pub fn code(&self) -> u16 {
        match self {
            Self::TlsOnly => 4000,
            Self::NoApp => 4001,
            Self::Disabled => 4003,
            Self::Origin | Self::TlsUnstated => 4009,
            Self::AppFull(over) => over.code(),
            Self::NodeFull | Self::Admission | Self::Storage(_) => 4100,
        }
    }
}

/// The limit of new connections per second.
pub(super) struct Admission {
    per_second: u64,
    bucket: Mutex<TokenBucket>,
}

impl Admission {
    pub(super) fn new(per_second: u64, now: Timestamp) -> Self {
        Self {
            per_second,
            bucket: Mutex::new(TokenBucket::new(per_second, now)),
        }
    }

    fn admits(&self, now: Timestamp) -> bool {
        self.per_second == 0 || self.bucket.lock().take(self.per_second, now)
    }
}

impl Service {
    /// Admits a connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self, connecting: Connecting<'_>) -> Result<Connection, ConnectError> {
        let opened = self.ports.clock.now();
        if !self.admission.admits(opened) {
            return Err(ConnectError::Admission);
        }
        let app = self
            .parts
            .apps
            .get_by_key(connecting.key)
            .await?
            .ok_or(ConnectError::NoApp)?;
        self.check(&app, connecting)?;
        let limits = &self.rules.limits;
        let app_limit = app.settings.limits.max_connections.unwrap_or(0);
        let connected = self.hub.connect(
            &app,
            connecting.dialect,
            (limits.connections, app_limit),
            limits.pending_bytes,
            ConnectionOrigin {
                address: connecting.address,
                opened,
            },
        );
        let connection = connected.map_err(|full| match full {
            CapacityExceeded::Node => ConnectError::NodeFull,
            CapacityExceeded::App => ConnectError::AppFull(app.settings.over_capacity),
        })?;
        // A change of an app is cached first and applied to its connections then. A connection that was admitted between
        // the two sees it here.
        let now = self
            .parts
            .apps
            .cached(&app.ident)
            .filter(|now| now.id == app.id && now.key == connecting.key)
            .ok_or(ConnectError::NoApp)?;
        self.check(&now, connecting)?;
        self.require_sign_in(&app, &connection);
        Ok(connection)
    }

    /// Limits the time without a sign-in, where the app requires one; also of a Pushi client, which signs in by a token only.
    pub(super) fn require_sign_in(&self, app: &App, connection: &Connection) {
        if app.settings.require_signin {
            // The first second of the shared timer is shorter.
            let seconds = app.settings.signin_timeout.as_secs().saturating_add(1);
            connection
                .mailbox()
                .set_sign_in_deadline(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
    }

    /// The app of a client that may connect, without a connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub(super) async fn reachable(
        &self,
        connecting: Connecting<'_>,
    ) -> Result<Arc<App>, ConnectError> {
        let app = self.parts.apps.get_by_key(connecting.key).await?;
        let app = app.ok_or(ConnectError::NoApp)?;
        self.check(&app, connecting)?;
        Ok(app)
    }

    fn check(&self, app: &Arc<App>, connecting: Connecting<'_>) -> Result<(), ConnectError> {
        if !app.settings.enabled {
            return Err(ConnectError::Disabled);
        }
        if app.settings.tls_only {
            match connecting.encryption {
                Encryption::Tls => {}
                Encryption::Plain => return Err(ConnectError::TlsOnly),
                Encryption::Unstated => return Err(ConnectError::TlsUnstated),
            }
        }
        match connecting.origin {
            Some(origin) if !self.allows_origin(app, origin) => Err(ConnectError::Origin),
            _ => Ok(()),
        }
    }

    /// Only browsers send an origin, and only pages in browsers have to be restricted.
    fn allows_origin(&self, app: &App, origin: &str) -> bool {
        origin::is_allowed(&self.rules.allowed_origins, origin)
            && origin::is_allowed(&app.settings.allowed_origins, origin)
    }

    /// Whether a page of this origin may connect to the app with this key. For an edge that can reject the request before it
    /// becomes a connection; every other condition is checked by [`Service::connect`].
    pub async fn origin_allowed(&self, key: &str, origin: &str) -> bool {
        match self.parts.apps.get_by_key(key).await {
            Ok(Some(app)) => !app.settings.enabled || self.allows_origin(&app, origin),
            Ok(None) | Err(_) => true,
        }
    }

    /// Whether an app has this key; false where the store is unavailable and the app is not cached.
    pub async fn has_key(&self, key: &str) -> bool {
        matches!(self.parts.apps.get_by_key(key).await, Ok(Some(_)))
    }

    /// Removes a connection from its channels and from its user. The other clients are notified when this returns.
    pub async fn disconnect(&self, connection: &Connection) {
        let app = connection.app();
        let ended = connection.disconnect();
        for left in &ended.unsubscribed {
            self.finish_unsubscribe(&app, connection.id(), left).await;
        }
        if let Some(user) = &ended.user {
            // Where the call fails, the connection's lease expires.
            let _ = self
                .ports
                .nodes
                .roster
                .sign_out(&app.ident, user, connection.id())
                .await;
        }
    }
}
