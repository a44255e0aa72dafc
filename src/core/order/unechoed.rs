//! Whom an event that is read from the store must leave out.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::core::model::{Mid, SocketId};
use crate::core::ports::BusMessage;

/// So many last publishes of this node are remembered.
const MOST: usize = 10_000;

/// The last publishes of this node that leave a socket out. The store does not know that; and the socket of a publish
/// is on the node that published it, so no other needs to.
#[derive(Default)]
pub(super) struct Unechoed(Mutex<State>);

#[derive(Default)]
struct State {
    sockets: HashMap<Mid, SocketId>,
    order: VecDeque<Mid>,
}

impl Unechoed {
    /// Notes what this node publishes.
    pub fn note(&self, message: &BusMessage) {
        let BusMessage::Event { event, position: Some(_), except: Some(socket) } = message else { return };
        let mut state = self.0.lock();
        if state.sockets.insert(event.mid.clone(), *socket).is_none() {
            state.order.push_back(event.mid.clone());
        }
        if state.order.len() > MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.sockets.remove(&oldest);
        }
    }

    /// Whom an event leaves out.
    pub fn except(&self, mid: &Mid) -> Option<SocketId> {
        self.0.lock().sockets.get(mid).copied()
    }
}
