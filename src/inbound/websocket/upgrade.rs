//! Upgrade requests of the listener: the check before the `101`, the session after it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Destination, Gateway, UpgradeTarget};
use crate::core::service::{ConnectError, Encryption};
use crate::inbound::listen::{
    AcceptedUpgrade, AddressCheck, ClientStream, SessionFuture, UpgradeCheck, UpgradeHandler,
    UpgradeHead, UpgradeRefusal,
};

/// The listener's upgrade handler.
pub struct WebSocketUpgrades {
    gateway: Arc<Gateway>,
}

impl WebSocketUpgrades {
    /// A handler that runs the sessions of `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

/// An accepted upgrade whose session has not begun.
struct PendingSession {
    gateway: Arc<Gateway>,
    target: UpgradeTarget,
    origin: Option<String>,
    encryption: Encryption,
    ip: IpAddr,
}

impl UpgradeHandler for WebSocketUpgrades {
    fn accept(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn AcceptedUpgrade>, UpgradeRefusal> {
        if self.gateway.stopping.load(Ordering::Relaxed) {
            let message = "the server is stopping: connect again".to_owned();
            return Err(UpgradeRefusal {
                status: 503,
                name: "ServiceUnavailable",
                message,
            });
        }
        let Some(target) = UpgradeTarget::parse(head.path, head.query) else {
            let message =
                "no app key in the path: connect to /<app_key> or /app/<app_key>".to_owned();
            return Err(UpgradeRefusal {
                status: 404,
                name: "NotFound",
                message,
            });
        };
        let origin = head.origin.as_deref().map(str::to_owned);
        Ok(Box::new(PendingSession {
            gateway: Arc::clone(&self.gateway),
            target,
            origin,
            encryption: head.encryption,
            ip: head.ip,
        }))
    }

    fn is_address<'a>(&'a self, path: &'a str) -> AddressCheck<'a> {
        Box::pin(self.gateway.is_address(path))
    }
}

impl PendingSession {
    /// The refusal of a page whose origin is not allowed. It is sent before the upgrade, so that
    /// the page receives no information about the app.
    async fn refused_origin(&self, key: &str, origin: &str) -> Option<UpgradeRefusal> {
        if self.gateway.service.origin_allowed(key, origin).await {
            return None;
        }
        tracing::debug!(origin, "origin refused");
        Some(UpgradeRefusal {
            status: 403,
            name: "Forbidden",
            message: ConnectError::Origin.to_string(),
        })
    }
}

impl AcceptedUpgrade for PendingSession {
    fn check(&mut self) -> Option<UpgradeCheck<'_>> {
        let key = match &self.target.destination {
            Destination::Pushi(key) | Destination::Pusher(key, None) => key,
            Destination::Pusher(_, Some(_)) => return None,
        };
        // Only browsers send an origin, and only they are restricted by it.
        let origin = self.origin.as_deref()?;
        Some(Box::pin(self.refused_origin(key, origin)))
    }

    fn run(self: Box<Self>, stream: ClientStream) -> SessionFuture {
        let direct_writer = stream.direct_writer();
        let hub = Arc::clone(self.gateway.service.hub());
        Box::pin(hub.cork(self.gateway.serve(
            self.target,
            self.origin,
            self.encryption,
            Some(self.ip),
            direct_writer,
            stream,
        )))
    }
}
