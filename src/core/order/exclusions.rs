//! Sockets that an event read from the store must skip.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::core::model::{Mid, SocketId};

/// The number of publishes that are kept.
const MAX_REMEMBERED: usize = 10_000;

/// The last publishes of this node that exclude a socket, which the store does not record. The
/// sender of a client event is connected to the node that publishes it. A socket that a back end
/// names may be on another node: if that node reads the event from the store, the socket receives
/// it.
#[derive(Default)]
pub(super) struct Exclusions(Mutex<State>);

#[derive(Default)]
struct State {
    sockets: HashMap<Mid, SocketId>,
    order: VecDeque<Mid>,
}

impl Exclusions {
    /// Registers the socket for an event that this node is about to store and publish.
    pub(super) fn register(&self, mid: &Mid, socket: SocketId) {
        let mut state = self.0.lock();
        if state.sockets.insert(mid.clone(), socket).is_none() {
            state.order.push_back(mid.clone());
        }
        if state.order.len() > MAX_REMEMBERED
            && let Some(oldest) = state.order.pop_front()
        {
            state.sockets.remove(&oldest);
        }
    }

    /// The socket that an event skips.
    pub(super) fn get(&self, mid: &Mid) -> Option<SocketId> {
        self.0.lock().sockets.get(mid).copied()
    }
}
