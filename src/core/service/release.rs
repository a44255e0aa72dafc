//! Releasing an event to the bus.

use std::sync::Arc;

use crate::core::model::{NewEvent, Position, SocketId};
use crate::core::ports::{Bus, BusMessage};

/// Publishes an event to all nodes. An error needs no handling here: while the bus is unavailable it delivers this node's
/// messages itself, and the other nodes catch up from the store.
pub(super) async fn release(
    bus: &dyn Bus,
    event: Arc<NewEvent>,
    position: Option<Position>,
    except: Option<SocketId>,
) {
    let _ = bus
        .publish(BusMessage::published(event, position, except))
        .await;
}
