//! Delivery in one order, by one task at a time.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::ports::{BusMessage, BusSink};

/// Messages that one task at a time delivers, in their order.
#[derive(Default)]
pub struct OrderedQueue {
    messages: VecDeque<BusMessage>,
    /// A task is delivering from this queue.
    draining: bool,
}

impl OrderedQueue {
    /// Appends a message; [`drain`] must follow.
    pub fn push(&mut self, message: BusMessage) {
        self.messages.push_back(message);
    }

    /// The messages that are not delivered yet; [`drain`] must follow a change.
    pub fn messages(&mut self) -> &mut VecDeque<BusMessage> {
        &mut self.messages
    }
}

/// Delivers the messages of a queue in `state` to `sink`, unless another task does so already: that
/// task then also delivers messages appended meanwhile. So a queue has one order, and no task waits
/// for the fan-out of another. The lock is not held during a delivery.
pub fn drain<S>(state: &Mutex<S>, queue: impl Fn(&mut S) -> &mut OrderedQueue, sink: &dyn BusSink) {
    let mut is_drainer = false;
    loop {
        let message = {
            let mut state = state.lock();
            let queue = queue(&mut state);
            if queue.draining && !is_drainer {
                return;
            }
            let next = queue.messages.pop_front();
            queue.draining = next.is_some();
            is_drainer = queue.draining;
            next
        };
        match message {
            Some(message) => sink.deliver(message),
            None => return,
        }
    }
}
