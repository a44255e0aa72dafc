//! Whom an event that is read from the store must leave out.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::core::model::{Mid, SocketId};

/// So many last publishes of this node are remembered.
const MOST: usize = 10_000;

/// The last publishes of this node that leave a socket out. The store does not know that. The socket of a client's own publish
/// is on the node that published it; one that a back end names may be on another, which cannot know when it reads the
/// event from the store.
#[derive(Default)]
pub(super) struct Exclusions(Mutex<State>);

#[derive(Default)]
struct State {
    sockets: HashMap<Mid, SocketId>,
    order: VecDeque<Mid>,
}

impl Exclusions {
    /// Notes what this node is about to store and publish.
    pub fn note(&self, mid: &Mid, socket: SocketId) {
        let mut state = self.0.lock();
        if state.sockets.insert(mid.clone(), socket).is_none() {
            state.order.push_back(mid.clone());
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
