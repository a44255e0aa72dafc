//! Releasing an event to the bus.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::Poll;

use super::tail::Tail;
use crate::core::model::{NewEvent, Position, SocketId};
use crate::core::ports::{Bus, BusMessage};

/// Lets the other tasks of the thread run.
pub(super) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Publishes an event to all nodes. An error needs no handling here: while the bus is unavailable it delivers this node's
/// messages itself, and the other nodes catch up from the store.
pub(super) async fn release(
    bus: &dyn Bus,
    tail: &Tail,
    event: Arc<NewEvent>,
    position: Option<Position>,
    except: Option<SocketId>,
) {
    tail.record(&event, position, except);
    let _ = bus
        .publish(BusMessage::published(event, position, except))
        .await;
}
