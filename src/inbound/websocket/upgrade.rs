//! From an upgrade request to a session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Destination, Gateway, destination};
use crate::inbound::listen::{Admitted, ClientStream, Refusal, Session, Sockets, UpgradeHead};

/// The gateway as the listener knows it.
pub struct Upgrades(pub Arc<Gateway>);

/// An upgrade that was let in.
struct Opening {
    gateway: Arc<Gateway>,
    destination: Destination,
    origin: Option<String>,
    secure: bool,
}

impl Sockets for Upgrades {
    fn judge(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn Admitted>, Refusal> {
        if self.0.stopping.load(Ordering::Relaxed) {
            let message = "the server is stopping: connect again".to_owned();
            return Err(Refusal { status: 503, name: "ServiceUnavailable", message });
        }
        let Some(destination) = destination(head.path, head.query) else {
            let message = "no app key in the path: connect to /<app_key> or /app/<app_key>".to_owned();
            return Err(Refusal { status: 404, name: "NotFound", message });
        };
        let origin = head.origin.as_deref().map(str::to_owned);
        Ok(Box::new(Opening { gateway: Arc::clone(&self.0), destination, origin, secure: head.secure }))
    }
}

impl Admitted for Opening {
    fn run(self: Box<Self>, stream: ClientStream) -> Session {
        Box::pin(self.gateway.serve(self.destination, self.origin, self.secure, stream))
    }
}
