//! From an upgrade request to a session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Destination, Gateway, destination};
use crate::core::hub::{Corked, Flusher};
use crate::inbound::listen::{Admitted, ClientStream, Refusal, Session, Sockets, UpgradeHead};

/// The gateway as the listener knows it.
pub struct Upgrades {
    gateway: Arc<Gateway>,
    flusher: Arc<dyn Flusher>,
}

impl Upgrades {
    /// Leads to `gateway`; `flusher` takes what the sessions say to others.
    pub fn new(gateway: Arc<Gateway>, flusher: Arc<dyn Flusher>) -> Self {
        Self { gateway, flusher }
    }
}

/// An upgrade that was let in.
struct Opening {
    gateway: Arc<Gateway>,
    flusher: Arc<dyn Flusher>,
    destination: Destination,
    origin: Option<String>,
    secure: bool,
}

impl Sockets for Upgrades {
    fn judge(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn Admitted>, Refusal> {
        if self.gateway.stopping.load(Ordering::Relaxed) {
            let message = "the server is stopping: connect again".to_owned();
            return Err(Refusal { status: 503, name: "ServiceUnavailable", message });
        }
        let Some(destination) = destination(head.path, head.query) else {
            let message = "no app key in the path: connect to /<app_key> or /app/<app_key>".to_owned();
            return Err(Refusal { status: 404, name: "NotFound", message });
        };
        let origin = head.origin.as_deref().map(str::to_owned);
        Ok(Box::new(Opening {
            gateway: Arc::clone(&self.gateway),
            flusher: Arc::clone(&self.flusher),
            destination,
            origin,
            secure: head.secure,
        }))
    }
}

impl Admitted for Opening {
    fn run(self: Box<Self>, stream: ClientStream) -> Session {
        let outlet = stream.outlet();
        let flusher = Arc::clone(&self.flusher);
        Box::pin(Corked::new(self.gateway.serve(self.destination, self.origin, self.secure, outlet, stream), flusher))
    }
}
